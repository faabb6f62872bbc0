import type { Handle } from "../db/index.ts";
import type { Principal } from "../kernel/index.ts";

/** Writes what happened in the transaction that does it. */
export type RecordEvent = (tx: Handle, who: Principal, action: string, about: { readonly target: string }) => Promise<void>;

/** Tells whoever watches how far something has come that takes its time. */
export type Tell = (about: Readonly<Record<string, unknown>>, sentence: string) => void;

/** How long nothing must need an old key before it is removed: a replica that has not heard may use it a little longer. */
export const unneededFor = 60 * 60_000;

/** Whether a key that nothing needed at `since` has waited long enough. One that was written by a clock that was set back since has not. */
export const isRipe = (since: number, now: number): boolean => now - since >= unneededFor;
/** Whether it is time to look at a key that has been followed: never looked at, waited long enough, or seen by a clock that was set back. */
export const isDue = (since: number | undefined, now: number): boolean => since === undefined || since > now || isRipe(since, now);

/** Milliseconds. */
export const tellEvery = 10_000;
export const lookEvery = 60_000;
