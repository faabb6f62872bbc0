import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { type List, pageFrom, placeOf, readPage } from "./page.ts";

const list: List = ["acme", "agents"];
const cursor = (text: string) => Buffer.from(text).toString("base64url");
/** With the mark of the list, which anybody can make. */
const marked = (text: string): string => {
  const place: unknown = JSON.parse(text || "null");
  if (!Array.isArray(place)) return cursor(text);
  const mark = createHash("sha256")
    .update(JSON.stringify([...list, ...(place as unknown[])]))
    .digest("base64url");
  return cursor(`${text.slice(0, -1)},"${mark.slice(0, 16)}"]`);
};

describe("a cursor", () => {
  test("points at the last item of a page that another follows", () => {
    const rows = [3, 2, 1].map((at) => ({ at, id: `id_${at}` }));
    const { items, nextCursor } = pageFrom(list, rows, 2, (row) => row);
    expect([items, placeOf(list, nextCursor)]).toEqual([rows.slice(0, 2), rows[1]]);
    expect(pageFrom(list, rows, 3, (row) => row).nextCursor).toBeUndefined();
    expect(placeOf(list, undefined)).toBeUndefined();
  });

  test("points at where fetching broke off, if the page is not full", () => {
    const rows = [3, 2].map((at) => ({ at, id: `id_${at}` }));
    const stopped = { at: 2, id: "" };
    expect(placeOf(list, pageFrom(list, rows, 2, (row) => row, stopped).nextCursor)).toEqual(stopped);
    expect(placeOf(list, pageFrom(list, rows, 1, (row) => row, stopped).nextCursor)).toEqual(rows[0]);
    expect(placeOf(list, pageFrom(list, [], 1, () => stopped, stopped).nextCursor)).toEqual(stopped);
  });

  test("that is made up well stands for its place", () => {
    expect(placeOf(list, marked('[1,"a"]'))).toEqual({ at: 1, id: "a" });
  });

  test("is of one list of one tenant, and of what that is a list of", () => {
    const place = { at: 1, id: "id" };
    const { nextCursor } = pageFrom(["acme", "keys", "agt_1"], [place, place], 1, (row) => row);
    expect(placeOf(["acme", "keys", "agt_1"], nextCursor)).toEqual(place);
    const others: List[] = [
      ["globex", "keys", "agt_1"],
      ["acme", "secrets", "agt_1"],
      ["acme", "keys", "agt_2"],
      ["acme", "keys"],
      ["acme", "keys", "agt_1", ""],
    ];
    for (const other of others) expect(() => placeOf(other, nextCursor)).toThrow(expect.objectContaining({ code: "invalid_request" }));
    const [at, id, mark] = JSON.parse(Buffer.from(nextCursor ?? "", "base64url").toString()) as [number, string, string];
    for (const changed of [
      [at + 1, id, mark],
      [at, "other", mark],
      [at, id, ""],
      [at, id],
    ])
      expect(() => placeOf(["acme", "keys", "agt_1"], cursor(JSON.stringify(changed)))).toThrow(
        expect.objectContaining({ code: "invalid_request" }),
      );
  });

  test("goes on where the page before it ended", async () => {
    const rows = [5, 4, 3, 2, 1].map((at) => ({ at, id: `id_${at}` }));
    const read = (place: (typeof rows)[number] | undefined, most: number) =>
      Promise.resolve(rows.filter(({ at }) => !place || at < place.at).slice(0, most));
    const found: unknown[] = [];
    for (let next: string | undefined, more = true; more; more = next !== undefined) {
      const page: Awaited<ReturnType<typeof readPage<(typeof rows)[number]>>> = await readPage(
        list,
        { limit: 2, cursor: next },
        read,
        (row) => row,
      );
      found.push(page.items);
      next = page.nextCursor;
    }
    expect(found).toEqual([rows.slice(0, 2), rows.slice(2, 4), rows.slice(4)]);
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
    for (const made of [cursor(text), marked(text)])
      expect(() => placeOf(list, made)).toThrow(expect.objectContaining({ code: "invalid_request" }));
  });
});
