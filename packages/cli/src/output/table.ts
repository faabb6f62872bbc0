/** A column of a table. */
export interface Column {
  readonly title: string;
  /** Whether it may be cut where the terminal is too narrow. What names a thing never is. */
  readonly mayCut: boolean;
}

/** How many cells of a terminal a text takes: wide characters take two. Close enough for columns. */
export const widthOf = (text: string): number => {
  let width = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const isMark = /\p{M}/u.test(character);
    const isWide =
      (code >= 0x1100 && code <= 0x115f) ||
      (code >= 0x2e80 && code <= 0xa4cf) ||
      (code >= 0xac00 && code <= 0xd7a3) ||
      (code >= 0xf900 && code <= 0xfaff) ||
      (code >= 0xfe30 && code <= 0xfe6f) ||
      (code >= 0xff00 && code <= 0xff60) ||
      (code >= 0xffe0 && code <= 0xffe6) ||
      code >= 0x1f300;
    width += isMark ? 0 : isWide ? 2 : 1;
  }
  return width;
};

const cut = (text: string, width: number): string => {
  if (widthOf(text) <= width) return text;
  let kept = "";
  for (const character of text) {
    if (widthOf(kept + character) > width - 1) break;
    kept += character;
  }
  return `${kept}…`;
};

const pad = (text: string, width: number): string => text + " ".repeat(Math.max(0, width - widthOf(text)));

const gap = 2;
const narrowest = 8;

/** Widths that fit the terminal as far as columns may be cut. */
const fit = (columns: readonly Column[], widths: number[], room: number): number[] => {
  const used = () => widths.reduce((sum, width) => sum + width, 0) + gap * (widths.length - 1);
  for (;;) {
    const over = used() - room;
    if (over <= 0) return widths;
    // The widest of those that may be cut gives way first.
    let widest = -1;
    columns.forEach(({ mayCut, title }, at) => {
      const width = widths[at] ?? 0;
      if (mayCut && width > Math.max(narrowest, widthOf(title)) && (widest === -1 || width > (widths[widest] ?? 0))) widest = at;
    });
    if (widest === -1) return widths;
    const least = Math.max(narrowest, widthOf(columns[widest]?.title ?? ""));
    const second = Math.max(least, ...columns.map(({ mayCut }, at) => (mayCut && at !== widest ? (widths[at] ?? 0) : 0)));
    const now = widths[widest] ?? 0;
    widths[widest] = Math.max(least, now - over, Math.min(second, now - 1));
  }
};

/** A table for a terminal of this width, its title first; `heading` dresses the title. */
export const tableFor = (
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  room: number,
  heading: (line: string) => string,
): string => {
  const widths = fit(
    columns,
    columns.map(({ title }, at) => Math.max(widthOf(title), ...rows.map((row) => widthOf(row[at] ?? "")))),
    room,
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, at) => {
        const width = widths[at] ?? 0;
        const shown = columns[at]?.mayCut ? cut(cell, width) : cell;
        return at === cells.length - 1 ? shown : pad(shown, width);
      })
      .join(" ".repeat(gap))
      .trimEnd();
  return [heading(line(columns.map(({ title }) => title))), ...rows.map(line)].map((each) => `${each}\n`).join("");
};

/** The same for programs that read lines: cells whole, a tab between them, no title. */
export const tabbed = (rows: readonly (readonly string[])[]): string => rows.map((row) => `${row.join("\t")}\n`).join("");
