import type { LegateClient } from "@legate/sdk";
import type { Output } from "./output/index.ts";
import type { Globals, Session } from "./session.ts";
import type { World } from "./world.ts";

/** A word that stands behind a command. */
export interface Argument {
  readonly name: string;
  readonly description: string;
  readonly optional?: boolean;
  readonly choices?: readonly string[];
  /** Takes all words that are left. */
  readonly rest?: boolean;
}

/** An option of a command. */
export interface Option {
  /** Without the dashes: `if-not-exists`. */
  readonly flag: string;
  readonly short?: string;
  readonly description: string;
  /** What its value is called; a switch has none. */
  readonly value?: string;
  readonly choices?: readonly string[];
  readonly repeats?: boolean;
  /** Whether it has a `--no-` form beside it. */
  readonly negates?: boolean;
  readonly required?: boolean;
  /** Whether the value is a path, for completion. */
  readonly file?: boolean;
}

/** What was typed: words and options by name. */
export interface Typed {
  readonly words: Readonly<Record<string, string | undefined>>;
  readonly rest: readonly string[];
  /** A value, a list of values, or whether it was switched. */
  readonly options: Readonly<Record<string, string | readonly string[] | boolean | undefined>>;
}

/** What a command acts in. */
export interface Context {
  readonly world: World;
  readonly globals: Globals;
  readonly out: Output;
  /** Opened when it is first asked for. @throws CommandFailure */
  readonly session: () => Session;
  readonly client: () => LegateClient;
}

/** A command, as help, completion, the reference and the parser are made from it. */
export interface Command {
  /** The words that call it: `["agents", "create"]`. */
  readonly path: readonly string[];
  /** One sentence without a full stop. */
  readonly summary: string;
  /** More of it, below the summary. */
  readonly about?: string;
  readonly arguments?: readonly Argument[];
  readonly options?: readonly Option[];
  /** Command lines, at least one. */
  readonly examples: readonly string[];
  /** Whether it changes anything: then it has `--dry-run`. */
  readonly changes?: boolean;
  readonly act: (context: Context, typed: Typed) => Promise<number | void>;
}

/** A group of commands: what the words before the last have in common. */
export interface Group {
  readonly path: readonly string[];
  readonly summary: string;
}

/** An option's value that is a text. */
export const textOf = ({ options }: Typed, flag: string): string | undefined => {
  const value = options[flag];
  return typeof value === "string" ? value : undefined;
};
/** An option's values. */
export const textsOf = ({ options }: Typed, flag: string): readonly string[] | undefined => {
  const value = options[flag];
  return Array.isArray(value) ? (value as readonly string[]) : undefined;
};
/** Whether an option is switched on. */
export const isOn = ({ options }: Typed, flag: string): boolean => options[flag] === true;

export const dryRun: Option = { flag: "dry-run", description: "Show the requests that would be made, without secrets, and make none." };
