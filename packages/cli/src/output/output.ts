import type { Failure } from "../failure.ts";
import { issuesOf } from "../failure.ts";
import type { Sink } from "../world.ts";
import { cellOf, printable } from "./printable.ts";
import { type Column, tabbed, tableFor } from "./table.ts";

type Style = "bold" | "dim" | "red" | "green" | "yellow";
const codes: Readonly<Record<Style, readonly [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
};

/** Dresses text where the stream is a terminal that wants it. */
export type Paint = (style: Style, text: string) => string;

const painter =
  (on: boolean): Paint =>
  (style, text) =>
    on ? `\u001b[${codes[style][0]}m${text}\u001b[${codes[style][1]}m` : text;

/** A line that is written over while long work goes on; nothing where nobody watches. */
export interface Progress {
  readonly say: (text: string) => void;
  readonly done: () => void;
}

/** What is said to people and programs. Answers go to standard output, everything else to standard error. */
export interface Output {
  readonly json: boolean;
  readonly paint: Paint;
  /** Writes an answer as it is. */
  readonly raw: (text: string) => Promise<void>;
  /** A whole document for programs. */
  readonly document: (value: unknown) => Promise<void>;
  /** One line for programs. */
  readonly line: (value: unknown) => Promise<void>;
  /** One thing, each of its fields on a line; with `--json` the thing itself. */
  readonly thing: (value: Readonly<Record<string, unknown>>) => Promise<void>;
  /** A list: a table on a terminal, tabbed lines elsewhere; with `--json` `{ items, nextCursor? }`. */
  readonly list: (
    items: readonly Readonly<Record<string, unknown>>[],
    columns: readonly (Column & { readonly of: (item: Readonly<Record<string, unknown>>) => unknown })[],
    nextCursor?: string,
  ) => Promise<void>;
  readonly note: (text: string) => void;
  readonly warn: (text: string) => void;
  readonly fail: (failure: Failure, hint?: string) => void;
  readonly progress: () => Progress;
}

/** Waits until a slow reader has taken what was written. */
const writeTo = (sink: Sink, text: string): Promise<void> =>
  new Promise((resolve, reject) => {
    sink.write(text, (error) => (error ? reject(error) : resolve()));
  });

export interface OutputSettings {
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly json: boolean;
  readonly noColor: boolean;
}

export const makeOutput = ({ stdout, stderr, json, noColor }: OutputSettings): Output => {
  const paint = painter(stdout.isTTY === true && !noColor);
  const paintError = painter(stderr.isTTY === true && !noColor);
  const raw = (text: string) => writeTo(stdout, text);
  const tell = (text: string) => void stderr.write(`${text}\n`);
  const tellJson = (value: unknown) => tell(JSON.stringify(value));
  const document = (value: unknown) => raw(`${JSON.stringify(value, undefined, 2)}\n`);

  return {
    json,
    paint,
    raw,
    document,
    line: (value) => raw(`${JSON.stringify(value)}\n`),
    thing: async (value) => {
      if (json) return document(value);
      const fields = Object.entries(value).filter(([, part]) => part !== undefined);
      if (stdout.isTTY !== true) return raw(tabbed(fields.map(([name, part]) => [name, cellOf(part)])));
      const width = Math.max(0, ...fields.map(([name]) => name.length));
      return raw(fields.map(([name, part]) => `${paint("dim", name.padEnd(width))}  ${cellOf(part)}\n`).join(""));
    },
    list: async (items, columns, nextCursor) => {
      if (json) return document({ items, ...(nextCursor !== undefined && { nextCursor }) });
      const rows = items.map((item) => columns.map(({ of }) => cellOf(of(item))));
      if (stdout.isTTY !== true) await raw(tabbed(rows));
      else if (rows.length > 0) await raw(tableFor(columns, rows, stdout.columns || 80, (line) => paint("bold", line)));
      else tell("None.");
      if (nextCursor !== undefined) tell(`There are more: --all, or --cursor ${printable(nextCursor)}`);
      return undefined;
    },
    note: (text) => (json ? tellJson({ note: text }) : tell(text.split("\n").map(printable).join("\n"))),
    warn: (text) => (json ? tellJson({ warning: text }) : tell(`${paintError("yellow", "warning:")} ${printable(text)}`)),
    fail: (failure, hint) => {
      const { ending: _, ...facts } = failure;
      if (json) {
        tellJson({ error: { ...facts, ...(hint !== undefined && { hint }) } });
        return;
      }
      tell(`${paintError("red", "error:")} ${printable(failure.message)}`);
      for (const { path, message } of issuesOf(failure.details ?? {})) tell(`  ${printable(path)}: ${printable(message)}`);
      if (failure.requestId !== undefined) tell(paintError("dim", `  ${failure.code}, request ${printable(failure.requestId)}`));
      if (hint !== undefined) tell(`  ${printable(hint)}`);
    },
    progress: () => {
      if (stderr.isTTY !== true || json) return { say: () => undefined, done: () => undefined };
      let said = false;
      return {
        say: (text) => {
          said = true;
          stderr.write(`\r\u001b[K${printable(text)}`);
        },
        done: () => {
          if (said) stderr.write("\r\u001b[K");
        },
      };
    },
  };
};
