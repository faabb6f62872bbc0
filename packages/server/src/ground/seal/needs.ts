import type { Handle } from "../db/index.ts";
import type { Principal } from "../kernel/index.ts";

/** Writes what happened in the transaction that does it. */
export type RecordEvent = (tx: Handle, who: Principal, action: string, about: { readonly target: string }) => Promise<void>;

/** Tells whoever watches how far something has come that takes its time. */
export type Tell = (about: Readonly<Record<string, unknown>>, sentence: string) => void;

/** Milliseconds between two words on how far something has come. */
export const tellEvery = 10_000;
