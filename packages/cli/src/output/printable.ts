/** Text that a server or a person wrote, fit for a terminal: what would move the cursor, colour or reorder it is shown as its code. */
export const printable = (text: string): string =>
  text.replaceAll(
    // oxlint-disable-next-line no-control-regex
    /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );

/** A value of an answer as one cell. */
export const cellOf = (value: unknown): string => {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return printable(value);
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return value.map(cellOf).join(", ");
  const entries = Object.entries(value as Record<string, unknown>);
  return entries.map(([name, part]) => `${printable(name)}=${typeof part === "object" ? JSON.stringify(part) : cellOf(part)}`).join(", ");
};
