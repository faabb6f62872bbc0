import type { Operation } from "@legate/contract";

/** What the commands about one kind of thing have in common. */
export interface Noun {
  readonly path: readonly string[];
  readonly summary: string;
  /** What one of them is called. */
  readonly one: string;
  /** Fields that a list shows, what names a thing first; one that ends in `~` may be cut on a narrow terminal. */
  readonly columns: readonly string[];
  /** What parts of its paths are called, where not after the noun itself: `{ name: "agent" }`. */
  readonly calls?: Readonly<Record<string, string>>;
  /** What stands for parts of paths and bodies in examples. */
  readonly samples: Readonly<Record<string, string>>;
  readonly verbs: Readonly<Record<string, Verb>>;
}

/** One command of a noun: an operation of the contract, and what the contract does not say. */
export interface Verb {
  readonly operation: Operation;
  /** Fields of the body that are words rather than options, after those of the path. */
  readonly words?: readonly string[];
  /** What follows the words in the example. */
  readonly example?: string;
  /** The field of the answer that holds a secret which is shown this once. */
  readonly shows?: string;
  /** A field of the body that is a secret to be typed where it is not given otherwise. */
  readonly asks?: string;
  /** A field of the body that is what a file holds, the file being the last word. */
  readonly file?: string;
  /** Parts of the body that are always sent so. */
  readonly fixed?: Readonly<Record<string, unknown>>;
}
