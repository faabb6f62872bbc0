import { createHash } from "node:crypto";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { eachStore, handClock } from "../../packages/server/src/testing/stores.ts";
import { bytesOf, check, exported, faultsOf, openAuditedHouse, placesOf, recordBlocks } from "./exports.ts";

const without = (lines: readonly string[], at: number): string[] => lines.filter((_, place) => place !== at);
const replaced = (lines: readonly string[], at: number, line: string): string[] => lines.map((old, place) => (place === at ? line : old));
const idOf = (line: string | undefined): string => (JSON.parse(line ?? "{}") as { id: string }).id;
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

eachStore("an export that was tampered with", (fresh) => {
  let lines: string[];
  /** Places of the events of block 2, and of the blocks. */
  let events: number[];
  let blocks: number[];

  beforeAll(async () => {
    const hand = handClock();
    const house = await openAuditedHouse(await fresh(), hand.clock);
    // The first signature makes a key, which is an event.
    await house.signing.keySet("default");
    await house.chain.seal("default");
    await recordBlocks(house, [3, 5, 4], () => hand.forward(7));
    hand.forward(1);
    lines = await exported(house);
    blocks = placesOf(lines, "block");
    // Block 1 holds what the house itself did when it was opened.
    const [, , third = 0, fourth = 0] = blocks;
    events = placesOf(lines, "event").filter((at) => at > third && at < fourth);
    await house.close();
  });

  test("is one that verifies, as long as nobody does", async () => {
    const report = await check(lines);
    expect(report.faults).toEqual([]);
    expect(report).toMatchObject({ ok: true, tenant: "default", issuer: "http://127.0.0.1:8700", unsealed: 0, firstBlock: 1 });
    expect(report.events).toBe(placesOf(lines, "event").length);
    expect(report.blocks).toBe(blocks.length);
    expect(report.checkpoints).toBe(1);
    expect(events).toHaveLength(5);
  });

  test("an edited event is named", async () => {
    const at = events[2] ?? 0;
    const line = (lines[at] ?? "").replace("thing.happened", "thing.dreamt");
    expect(line).not.toBe(lines[at]);
    expect(faultsOf(await check(replaced(lines, at, line)))[0]).toBe(
      `3 ${idOf(line)} was edited: its line has another hash than the block holds`,
    );
  });

  test("a deleted event is named", async () => {
    for (const at of [events[0] ?? 0, events[2] ?? 0, events[4] ?? 0])
      expect(faultsOf(await check(without(lines, at)))[0]).toBe(`3 ${idOf(lines[at])} is missing`);
  });

  test("an event that was put in is named, and one that is there twice", async () => {
    const [first = 0, second = 0] = events;
    const foreign = (lines[first] ?? "").replaceAll(idOf(lines[first]), "evt_of_nobody");
    expect(faultsOf(await check(lines.toSpliced(second, 0, foreign)))[0]).toBe("3 evt_of_nobody was inserted: the block does not hold it");
    expect(faultsOf(await check(lines.toSpliced(second, 0, lines[first] ?? "")))[0]).toBe(`3 ${idOf(lines[first])} is there twice`);
  });

  test("events that changed places are named, within a block and across blocks", async () => {
    const [first = 0, second = 0] = events;
    const swapped = replaced(replaced(lines, first, lines[second] ?? ""), second, lines[first] ?? "");
    expect(faultsOf(await check(swapped))[0]).toBe(`3 ${idOf(lines[first])} is not in its place: events were reordered`);
    const moved = without(lines, first).concat();
    moved.splice((blocks[3] ?? 0) + 1, 0, lines[first] ?? "");
    expect(faultsOf(await check(moved))).toEqual(
      expect.arrayContaining([`3 ${idOf(lines[first])} is missing`, `4 ${idOf(lines[first])} was inserted: the block does not hold it`]),
    );
  });

  test("a block that is gone, moved, or there twice is named", async () => {
    const [, second = 0, third = 0, fourth = 0] = blocks;
    const [before, two, three, rest] = [
      lines.slice(0, second),
      lines.slice(second, third),
      lines.slice(third, fourth),
      lines.slice(fourth),
    ];
    expect(faultsOf(await check([...before, ...two, ...rest]))[0]).toBe("4 - 1 block(s) before it are missing");
    expect(faultsOf(await check([...before, ...three, ...two, ...rest]))).toContain("2 - is not in its place");
    expect(faultsOf(await check([...before, ...two, ...two, ...three, ...rest]))).toContain("2 - is not in its place");
  });

  test("each changed field of a block is found", async () => {
    const at = blocks[2] ?? 0;
    const block = JSON.parse(lines[at] ?? "") as Record<string, unknown>;
    const others: Record<string, unknown> = {
      number: 9,
      previous: "1".repeat(64),
      count: 6,
      root: "1".repeat(64),
      hash: "1".repeat(64),
      tenant: "globex",
      version: 2,
      sealedAt: "2020-01-01T00:00:00.000Z",
      firstAt: "2020-01-01T00:00:00.000Z",
      lastAt: "2020-01-01T00:00:00.000Z",
      events: [],
    };
    expect(Object.keys(others).sort()).toEqual(
      Object.keys(block)
        .filter((name) => name !== "type")
        .sort(),
    );
    for (const [name, value] of Object.entries(others)) {
      const changed = Object.fromEntries(Object.entries({ ...block, [name]: value }).sort(([a], [b]) => (a < b ? -1 : 1)));
      const report = await check(replaced(lines, at, JSON.stringify(changed)));
      expect(
        report.faults.filter(({ what }) => !what.startsWith("the export")),
        name,
      ).not.toEqual([]);
    }
  });

  test("events, block and chain written anew with the right hashes are found by the checkpoint and by the signature", async () => {
    const last = blocks.at(-1) ?? 0;
    const block = JSON.parse(lines[last] ?? "") as { events: [string, string][]; root: string; hash: string } & Record<string, unknown>;
    const at = last + 1;
    const line = (lines[at] ?? "").replace("thing.happened", "thing.dreamt");
    block.events[0] = [idOf(line), sha256(line)];
    block.root = sha256(block.events.map(([, hash]) => `${hash}\n`).join(""));
    const { tenant, number, previous, sealedAt, count, firstAt, lastAt, root } = block;
    block.hash = sha256(["legate-audit-block/1", tenant, number, previous, sealedAt, count, firstAt, lastAt, root, ""].join("\n"));
    const faults = faultsOf(await check(replaced(replaced(lines, last, JSON.stringify(block)), at, line)));
    expect(faults.filter((fault) => fault.includes("says that block"))).toHaveLength(2);
    expect(faults).toContain("- - the export is not, byte for byte, what was signed");
  });

  test("a file that is cut short says so, wherever it was cut", async () => {
    const whole = bytesOf(lines);
    for (let length = 1; length < whole.length; length += 997)
      expect((await check(whole.subarray(0, length))).ok, String(length)).toBe(false);
    expect(faultsOf(await check(lines.slice(0, -1)))).toEqual(["- - the export is cut short: its last line is missing"]);
  });

  test("a checkpoint whose signature does not hold, that is another's, or that is no checkpoint, is found", async () => {
    const at = lines.length - 1;
    const { token } = JSON.parse(lines[at] ?? "") as { token: string };
    const [head = "", body = "", signature = ""] = token.split(".");
    const end = (forged: string) => check(replaced(lines, at, JSON.stringify({ token: forged, type: "end" })));
    const header = (fields: object) =>
      Buffer.from(JSON.stringify({ ...(JSON.parse(Buffer.from(head, "base64url").toString()) as object), ...fields })).toString(
        "base64url",
      );
    const claims = JSON.parse(Buffer.from(body, "base64url").toString()) as Record<string, unknown>;
    const other = Buffer.from(JSON.stringify({ ...claims, events: 1 })).toString("base64url");
    expect(faultsOf(await end(`${head}.${other}.${signature}`))).toEqual([
      "- - the signature over the export has a signature that does not hold",
    ]);
    expect(faultsOf(await end(`${header({ kid: "nobody" })}.${body}.${signature}`))[0]).toContain("is signed by an unknown key (nobody)");
    for (const fields of [{ alg: "none" }, { alg: "HS256" }, { typ: "wat+jwt" }, { typ: undefined }])
      expect(faultsOf(await end(`${header(fields)}.${body}.${signature}`))).toEqual([
        "- - the signature over the export is no signed checkpoint",
      ]);
    expect((await end(`${head}.${body}.`)).ok).toBe(false);
    // The last character of 64 bytes has bits that decode to nothing.
    for (const last of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
      expect((await end(`${head}.${body}.${signature.slice(0, -1)}${last}`)).ok).toBe(signature.endsWith(last));
  });

  test("any one byte of any event's line, changed, put in or taken out, is found", async () => {
    const starts = lines.reduce<number[]>((known, line) => [...known, (known.at(-1) ?? 0) + Buffer.byteLength(line) + 1], [0]);
    const whole = bytesOf(lines);
    const all = placesOf(lines, "event");
    const change = fc.record({
      event: fc.nat(all.length - 1),
      place: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      byte: fc.nat(255),
      how: fc.constantFrom("changed", "put in", "taken out"),
    });
    await fc.assert(
      fc.asyncProperty(change, async ({ event, place, byte, how }) => {
        const line = all[event] ?? 0;
        const at = (starts[line] ?? 0) + Math.floor(place * Buffer.byteLength(lines[line] ?? ""));
        const [before, after] = [whole.subarray(0, at), whole.subarray(how === "put in" ? at : at + 1)];
        const spoilt = Buffer.concat([before, ...(how === "taken out" ? [] : [Buffer.from([byte])]), after]);
        if (spoilt.equals(whole)) return;
        const faults = (await check(spoilt)).faults.filter(({ block }) => block !== undefined);
        // The block is named, not only that something in the file is not what was signed.
        expect(faults).not.toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  test("any one byte of the whole file, changed, is found", async () => {
    const whole = bytesOf(lines);
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, by) => {
        const spoilt = Buffer.from(whole);
        spoilt.writeUInt8((spoilt.readUInt8(at) + by) % 256, at);
        expect((await check(spoilt)).ok).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  test("however the file comes in pieces, it is the same file", async () => {
    const { verifyExport } = await import("../../scripts/audit-verify.mjs");
    const whole = bytesOf(lines);
    for (const size of [1, 7, 4096]) {
      const pieces = Array.from({ length: Math.ceil(whole.length / size) }, (_, at) => whole.subarray(at * size, (at + 1) * size));
      expect((await verifyExport(pieces)).faults).toEqual([]);
    }
  });
});

describe("what is not an export", () => {
  test.each([
    ["nothing", ""],
    ["a word", "hello"],
    ["JSON of another kind", '{"a":1}\n{"b":2}\n'],
    ["a header alone", '{"type":"header"}\n'],
  ])("%s does not verify", async (_what, text) => {
    expect((await check(Buffer.from(text))).ok).toBe(false);
  });
});
