/** What a parser says to text that is no value: a sentence's end, after "LEGATE_X must". */
export class Unfit extends Error {}

/** One setting: where it comes from, what it means, how its text is read. The reference is generated from these. */
export interface Setting<T> {
  /** The environment variable. */
  readonly name: string;
  /** One or two sentences for the person who sets it. */
  readonly sentence: string;
  /** What holds when it is not set, as the reference says it. */
  readonly default: string;
  /** A secret is never printed, not even the part of it that is wrong. */
  readonly secret: boolean;
  /** @throws Unfit whose message ends the sentence "<name> must ..." */
  readonly parse: (text: string) => T;
}

type Given<T> = Omit<Setting<T>, "secret"> & { readonly secret?: true };

/** Makes a setting, which is no secret unless it says so. */
export const setting = <T>(given: Given<T>): Setting<T> => ({ ...given, secret: given.secret ?? false });
