import { expect, test } from "vitest";
import { makeRecent } from "./recent.ts";

const filled = (most: number, upTo: number) => {
  const recent = makeRecent<number>(most);
  for (let n = 0; n < upTo; n += 1) recent.set(`k${n}`, n);
  return recent;
};

test("the last ones set are there, the oldest are gone", () => {
  const recent = filled(10, 100);
  for (let n = 90; n < 100; n += 1) expect(recent.get(`k${n}`)).toBe(n);
  for (let n = 0; n < 79; n += 1) expect(recent.get(`k${n}`)).toBeUndefined();
});

test("what is read stays", () => {
  const recent = makeRecent<number>(10);
  recent.set("kept", 1);
  for (let n = 0; n < 200; n += 1) {
    recent.set(`k${n}`, n);
    expect(recent.get("kept")).toBe(1);
  }
});

test("what is deleted is gone, of whichever generation, and all else is there", () => {
  const recent = filled(10, 15);
  recent.delete("k4");
  recent.delete("k14");
  expect([recent.get("k3"), recent.get("k4"), recent.get("k13"), recent.get("k14")]).toEqual([3, undefined, 13, undefined]);
});

test("what is cleared is gone, of whichever generation", () => {
  const recent = filled(10, 15);
  expect([recent.get("k4"), recent.get("k14")]).toEqual([4, 14]);
  recent.clear();
  expect([recent.get("k4"), recent.get("k14")]).toEqual([undefined, undefined]);
});
