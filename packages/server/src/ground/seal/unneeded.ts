/** How long nothing must need an old key before it is removed: a replica that has not heard may use it a little longer. */
export const unneededFor = 60 * 60_000;

/** Whether a key that nothing needed at `since` has waited long enough. One that was written by a clock that was set back since has not. */
export const isRipe = (since: number, now: number): boolean => now - since >= unneededFor;
/** Whether it is time to look at a key that has been followed: never looked at, waited long enough, or seen by a clock that was set back. */
export const isDue = (since: number | undefined, now: number): boolean => since === undefined || since > now || isRipe(since, now);

/** Milliseconds between two looks whether an old key can go, while nothing is heard of any. */
export const lookEvery = 60_000;
