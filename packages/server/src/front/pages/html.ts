/** Text that may stand in a page as it is. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (char) => entities[char] ?? "");

type Value = Html | string | readonly Html[] | undefined;
const textOf = (value: Value): string => {
  if (value === undefined) return "";
  if (typeof value === "string") return escaped(value);
  return value instanceof Html ? value.text : value.map(({ text }) => text).join("");
};

/** Makes markup; every string put into it is escaped, for elements and for quoted attributes. */
export const html = (parts: TemplateStringsArray, ...values: readonly Value[]): Html =>
  new Html(parts.reduce((text, part, at) => text + textOf(values[at - 1]) + part));

/** A name that somebody else chose, set apart so that its writing direction cannot rearrange our words. */
export const name = (text: string): Html => html`<bdi>${text}</bdi>`;
