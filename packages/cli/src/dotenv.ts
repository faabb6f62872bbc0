const plain = /^[A-Za-z0-9_./:@%+,-]+$/;

/** What a value looks like between double quotes, where everything can stand. */
const escapes: Readonly<Record<string, string>> = { "\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", $: "\\$" };

/** A line of a `.env` file. Nothing in it is expanded by whoever keeps to the escapes, a shell among them where no backtick is in it. */
const line = (name: string, value: string): string => {
  if (value === "" || plain.test(value)) return `${name}=${value}`;
  // Single quotes take everything as it stands, but for themselves and line ends.
  if (!/['\r\n]/.test(value)) return `${name}='${value}'`;
  return `${name}="${value.replaceAll(/[\\"\n\r$]/g, (character) => escapes[character] ?? character)}"`;
};

/** Variables as a `.env` file, which `projects variables import` reads back to the same. */
export const writeDotenv = (variables: readonly { readonly name: string; readonly value: string }[]): string =>
  variables.map(({ name, value }) => `${line(name, value)}\n`).join("");
