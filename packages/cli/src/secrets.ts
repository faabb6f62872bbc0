import { isUtf8 } from "node:buffer";
import { closeSync, fsyncSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { isOn, type Option, textOf, type Typed } from "./command.ts";
import { CommandFailure, misused, systemCode } from "./failure.ts";
import { cellOf, type Output } from "./output/index.ts";
import type { Source, World } from "./world.ts";

/** Of what is read from a file or standard input, in bytes. */
const most = 1024 * 1024;

/** Bytes as text. What is no text would be stored as another secret than the one that was given. @throws CommandFailure */
const textIn = (bytes: Buffer, what: string): string => {
  if (!isUtf8(bytes)) throw misused(`${what} does not hold text in UTF-8.`);
  return bytes.toString("utf8");
};

/** All of standard input. @throws CommandFailure */
export const readAll = async (stdin: Source): Promise<string> => {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stdin as AsyncIterable<Buffer | string>) {
    const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    length += bytes.length;
    if (length > most) throw misused(`Standard input holds more than ${most} bytes.`);
    chunks.push(bytes);
  }
  return textIn(Buffer.concat(chunks), "Standard input");
};

/** What a file holds; `-` is standard input. @throws CommandFailure */
export const readInput = async (world: World, path: string): Promise<string> => {
  if (path === "-") return readAll(world.stdin);
  try {
    const bytes = readFileSync(path);
    if (bytes.length > most) throw misused(`${path} holds more than ${most} bytes.`);
    return textIn(bytes, path);
  } catch (error) {
    if (error instanceof CommandFailure) throw error;
    throw misused(`${path} cannot be read (${systemCode(error)}).`);
  }
};

/** Two ways to give a secret that the list of processes does not show. */
export const secretOptions = (flag: string, what: string): readonly Option[] => [
  {
    flag: `${flag}-file`,
    value: "path",
    file: true,
    description: `${what}, from a file; \`-\` is standard input. One line end at its end is left out.`,
  },
  { flag: `${flag}-env`, value: "name", description: `${what}, from this environment variable.` },
];

/**
 * A secret as it was given: by file, by environment, or, where `ask` is told and a person sits at the terminal, by typing it unseen.
 * @throws CommandFailure
 */
export const secretFrom = async (world: World, typed: Typed, flag: string, ask?: string): Promise<string | undefined> => {
  const file = textOf(typed, `${flag}-file`);
  const name = textOf(typed, `${flag}-env`);
  if (file !== undefined && name !== undefined) throw misused(`Give --${flag}-file or --${flag}-env, not both.`);
  if (name !== undefined) {
    const value = world.env.variables[name];
    if (value === undefined || value === "") throw misused(`The environment variable ${name} is not set.`);
    return value;
  }
  const typing = async (message: string): Promise<string> => {
    const typedText = await world.ask(message, { hidden: true });
    if (typedText === undefined) throw new CommandFailure("interrupted", "Nothing was typed.");
    return typedText;
  };
  if (file !== undefined) {
    if (file === "-" && world.stdin.isTTY === true) return typing(ask ?? flag);
    return (await readInput(world, file)).replace(/\r?\n$/, "");
  }
  return ask !== undefined && world.stdin.isTTY === true && world.stderr.isTTY === true ? typing(ask) : undefined;
};

/** Where a secret goes that the server shows once. */
export const shownOptions: readonly Option[] = [
  { flag: "show", description: "Write the secret to standard output." },
  { flag: "secret-file", value: "path", file: true, description: "Write the secret to this new file, which only you can read." },
];

/** A place for a secret that is about to be made, found before it is made so that it is not lost. */
export interface Place {
  /** Puts it there. @returns what of the answer may be shown */
  readonly keep: (answer: Readonly<Record<string, unknown>>, secret: string) => Promise<void>;
  /** Leaves nothing behind where nothing was made. */
  readonly leave: () => void;
}

/** Tells what is already there where a secret was to be made: `--show` promises standard output to the secret alone. */
export const tellWithoutSecret = (typed: Typed, out: Output, thing: Readonly<Record<string, unknown>>): Promise<void> =>
  isOn(typed, "show") && !out.json ? Promise.resolve(noteFields(out, thing)) : out.thing(thing);

const noteFields = (out: Output, thing: Readonly<Record<string, unknown>>): void => {
  for (const [field, value] of Object.entries(thing)) if (value !== undefined) out.note(`${field}: ${cellOf(value)}`);
};

/** @throws CommandFailure where nobody says where the secret goes, or that is no place for one */
export const placeFor = (typed: Typed, out: Output): Place => {
  const path = textOf(typed, "secret-file");
  const show = isOn(typed, "show");
  if (path === undefined && !show) throw misused("The secret is shown this once: say --show for standard output, or --secret-file PATH.");
  let file: number | undefined;
  if (path !== undefined) {
    try {
      file = openSync(path, "wx", 0o600);
    } catch (error) {
      const code = systemCode(error);
      throw misused(code === "EEXIST" ? `${path} is there already; it is not written over.` : `${path} cannot be written (${code}).`);
    }
  }
  const close = () => {
    if (file !== undefined) closeSync(file);
    file = undefined;
  };
  return {
    keep: async (answer, name) => {
      const { [name]: secret, ...rest } = answer;
      const text = typeof secret === "string" ? secret : JSON.stringify(secret);
      const made = cellOf(rest["id"] ?? rest["accessKeyId"] ?? rest["name"]);
      const lost = (error: unknown): never => {
        const why = `What was made, ${made}, has a secret that could not be written (${systemCode(error)}) and is shown no more.`;
        throw new CommandFailure("failed", `${why} Delete it, or make it another secret.`, { made });
      };
      if (file !== undefined) {
        try {
          writeSync(file, `${text}\n`);
          fsyncSync(file);
        } catch (error) {
          lost(error);
        }
        close();
      }
      out.warn(`This is the only time the secret is ${show ? "shown" : "given"}. Keep it where no one else reads it.`);
      if (!show) return out.thing(rest);
      const otherwise = path === undefined ? lost : undefined;
      if (out.json) return out.document(answer).catch(otherwise);
      // Standard output holds the secret alone, so that it can be piped.
      noteFields(out, rest);
      return out.raw(`${text}\n`).catch(otherwise);
    },
    leave: () => {
      if (file === undefined || path === undefined) return;
      close();
      rmSync(path, { force: true });
    },
  };
};
