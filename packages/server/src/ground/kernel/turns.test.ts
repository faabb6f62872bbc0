import { expect, test } from "vitest";
import { makeTurns } from "./turns.ts";

test("whoever asks within a turn goes on at its end, together and in order; who asks after it waits for the next", async () => {
  const endOfTurn = makeTurns();
  const went: string[] = [];
  const go = async (name: string) => {
    await endOfTurn();
    went.push(name);
  };
  const first = go("a");
  const second = Promise.resolve().then(() => go("b"));
  const third = first.then(() => go("c"));
  for (let step = 0; step < 50; step += 1) await Promise.resolve();
  expect(went).toEqual([]);
  await new Promise(setImmediate);
  expect(went).toEqual(["a", "b"]);
  await Promise.all([second, third]);
  expect(went).toEqual(["a", "b", "c"]);
});
