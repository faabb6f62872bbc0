/** An element of an XML document. Attributes are read and left aside: no answer of ours hangs on one. */
export interface XmlElement {
  readonly name: string;
  readonly children: readonly XmlElement[];
  /** Its own text, trimmed. */
  readonly text: string;
}

/** How deep elements may nest; a query API's answer has five levels. */
const deepest = 16;

const entities: ReadonlyMap<string, string> = new Map([
  ["amp", "&"],
  ["lt", "<"],
  ["gt", ">"],
  ["quot", '"'],
  ["apos", "'"],
]);

/** XML 1.0 4.1: a reference to one of the five characters that have a name, or to one by its number; undefined for any other. */
const decoded = (text: string): string | undefined => {
  let bad = false;
  const out = text.replaceAll(/&([^;&]{0,12});?/g, (whole, name: string) => {
    const number = /^#(?:x([0-9a-fA-F]{1,6})|(\d{1,7}))$/.exec(name);
    const point = number ? Number.parseInt(number[1] ?? number[2] ?? "", number[1] === undefined ? 10 : 16) : undefined;
    const char = point === undefined ? entities.get(name) : point > 0 && point <= 0x10_ff_ff ? String.fromCodePoint(point) : undefined;
    if (char === undefined || !whole.endsWith(";")) bad = true;
    return char ?? "";
  });
  return bad || !out.isWellFormed() ? undefined : out;
};

const nameForm = "[A-Za-z_][A-Za-z0-9_.-]*";
const opening = new RegExp(`<(${nameForm})((?:\\s+[A-Za-z_][A-Za-z0-9_.:-]*\\s*=\\s*(?:"[^"<&]*"|'[^'<&]*'))*)\\s*(/?)>`, "y");
const closing = new RegExp(`</(${nameForm})\\s*>`, "y");
const declaration = /^\uFEFF?(<\?xml [^?<>]*\?>)?\s*/;

/**
 * Reads the small XML that query APIs answer: elements, attributes and text. Anything beyond that (document types, entities of their own, CDATA,
 * comments, instructions) makes it no document, so that none of it can hide or unfold something.
 * @returns the root; undefined for anything else
 */
export const parseXml = (document: string): XmlElement | undefined => {
  let at = declaration.exec(document)?.[0].length ?? 0;
  const open: { name: string; children: XmlElement[]; text: string }[] = [];
  let root: XmlElement | undefined;
  const put = (element: XmlElement): boolean => {
    const parent = open.at(-1);
    if (parent) parent.children.push(element);
    else if (root) return false;
    else root = element;
    return true;
  };
  while (at < document.length) {
    if (document[at] !== "<") {
      const next = document.indexOf("<", at);
      const text = decoded(document.slice(at, next < 0 ? document.length : next));
      const parent = open.at(-1);
      if (text === undefined || text.includes("]]>") || (!parent && text.trim() !== "")) return undefined;
      if (parent) parent.text += text;
      if (next < 0) break;
      at = next;
      continue;
    }
    opening.lastIndex = at;
    closing.lastIndex = at;
    const begun = opening.exec(document);
    const ended = begun ? undefined : closing.exec(document);
    const [whole = "", name = "", , single] = begun ?? ended ?? [];
    if (whole === "") return undefined;
    at += whole.length;
    if (begun && single !== "/") {
      if (open.length === deepest || (open.length === 0 && root)) return undefined;
      open.push({ name, children: [], text: "" });
      continue;
    }
    const done = begun ? { name, children: [], text: "" } : open.pop();
    if (!done || done.name !== name || !put({ ...done, text: done.text.trim() })) return undefined;
  }
  return open.length === 0 ? root : undefined;
};
