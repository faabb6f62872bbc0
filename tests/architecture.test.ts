import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { houseOf, readTree } from "./architecture/house.ts";
import { laws } from "./architecture/laws.ts";

const house = houseOf(readTree(resolve(import.meta.dirname, "..")));

test("the sources and the list of rooms are found", () => {
  expect(house.sources.length).toBeGreaterThan(20);
  expect(house.rooms).toContain("ground/kernel");
});

describe("the law of the house", () => {
  test.each(laws.map((law) => [law.name, law] as const))("%s", (_, { offences }) => {
    expect(offences(house).map(({ path, what }) => `${path}: ${what}`)).toEqual([]);
  });
});
