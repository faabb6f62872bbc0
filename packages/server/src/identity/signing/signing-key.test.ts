import { expect, test } from "vitest";
import { newKeyId } from "./signing-key.ts";

test("a key's id begins with a letter, whatever the dice say, so that it can stand on a command line", () => {
  for (let first = 0; first < 256; first += 1) {
    const id = newKeyId((length) => Buffer.alloc(length, first));
    expect(id).toMatch(/^[A-Za-z][\w-]{15}$/);
  }
});
