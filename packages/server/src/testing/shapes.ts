import { setFlagsFromString } from "node:v8";
import { runInThisContext } from "node:vm";

setFlagsFromString("--allow-natives-syntax");

const haveSameShape = runInThisContext("(one, other) => %HaveSameMap(one, other)") as (one: object, other: object) => boolean;

/** Calls until V8 has learnt what the function does; before that, all is well even where later it is not. */
const calls = 50;

/**
 * Whether V8 keeps all that this makes under one description of what properties it has. An object that is made by `{ ...other, more }` has a description of
 * its own, which takes more memory than the object and goes to where only a full collection looks: what is made for each request must not be made so.
 * @param make Gets the number of the call.
 */
export const makesOneShape = async (make: (n: number) => Promise<object>): Promise<boolean> => {
  let last = await make(0);
  for (let n = 1; n < calls; n += 1) {
    const next = await make(n);
    if (next !== last && !haveSameShape(last, next)) return false;
    last = next;
  }
  return true;
};
