import { describe, expect, test } from "vitest";
import { pageFrom, placeOf } from "./page.ts";

const cursor = (text: string) => Buffer.from(text).toString("base64url");

describe("a cursor", () => {
  test("points at the last item of a page that another follows", () => {
    const rows = [3, 2, 1].map((at) => ({ at, id: `id_${at}` }));
    const { items, nextCursor } = pageFrom(rows, 2, (row) => row);
    expect([items, placeOf(nextCursor)]).toEqual([rows.slice(0, 2), rows[1]]);
    expect(pageFrom(rows, 3, (row) => row).nextCursor).toBeUndefined();
    expect(placeOf(undefined)).toBeUndefined();
  });

  test("points at where fetching broke off, if the page is not full", () => {
    const rows = [3, 2].map((at) => ({ at, id: `id_${at}` }));
    const stopped = { at: 2, id: "" };
    expect(placeOf(pageFrom(rows, 2, (row) => row, stopped).nextCursor)).toEqual(stopped);
    expect(placeOf(pageFrom(rows, 1, (row) => row, stopped).nextCursor)).toEqual(rows[0]);
    expect(placeOf(pageFrom([], 1, () => stopped, stopped).nextCursor)).toEqual(stopped);
  });

  test.each([
    "",
    "{}",
    "[1]",
    '[1,"a","b"]',
    '["1","a"]',
    '[1.5,"a"]',
    '[9007199254740992,"a"]',
    "[1,2]",
    '[1, "a"]',
    '[1,"a\\u0000"]',
    '[1,"\\ud800"]',
    '[1,"\\udc00\\ud800"]',
    `[1,"${"a".repeat(129)}"]`,
  ])("that this server did not give out is refused: %s", (text) => {
    expect(() => placeOf(cursor(text))).toThrow(expect.objectContaining({ code: "invalid_request" }));
  });
});
