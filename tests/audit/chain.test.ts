import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { eachStore, handClock } from "../../packages/server/src/testing/stores.ts";
import { importKeys, standingOf } from "../../scripts/audit-verify.mjs";
import {
  acme,
  type AuditedHouse,
  bytesOf,
  check,
  exported,
  faultsOf,
  openAuditedHouse,
  placesOf,
  recordBlocks,
  typeOf,
} from "./exports.ts";

const day = 24 * 60 * 60 * 1000;
const never = new AbortController().signal;

const openRecorded = async (store: Parameters<typeof openAuditedHouse>[0], sizes: readonly number[], retentionDays?: number) => {
  const hand = handClock();
  const house = await openAuditedHouse(store, hand.clock, retentionDays);
  await house.signing.keySet("default");
  await house.chain.seal("default");
  await recordBlocks(house, sizes, () => hand.forward(1000));
  return { hand, house };
};

const blocksOf = ({ db }: AuditedHouse) =>
  db.read.selectFrom("audit_blocks").selectAll().where("tenant_id", "=", "default").orderBy("number").execute();
const eventsOf = ({ db }: AuditedHouse) =>
  db.read.selectFrom("audit_events").selectAll().where("tenant_id", "=", "default").orderBy("at").orderBy("id").execute();
const runJob = async (house: AuditedHouse, name: string) => {
  const job = house.chain.jobs.find((each) => each.name === name);
  if (!(await job?.isNeeded?.()) && job?.isNeeded) return;
  await job?.run(never);
};

eachStore("what somebody does to the store, past Legate, is found in the export", (fresh) => {
  test("an edited row", async () => {
    const { house } = await openRecorded(await fresh(), [3, 3]);
    const [, row] = (await eventsOf(house)).filter(({ action }) => action === "thing.happened");
    if (!row) throw new Error("no row");
    const others = {
      action: "thing.dreamt",
      outcome: "refused",
      caller_kind: "user",
      caller_id: "op_2",
      agent_id: "agt_1",
      user_id: "usr_1",
      target: "x",
      request_id: "r",
      address: null,
      details: '{"n":1}',
    } as const;
    for (const [column, value] of Object.entries(others)) {
      const put = (to: unknown) =>
        house.db.write((tx) =>
          tx
            .updateTable("audit_events")
            .set({ [column]: to } as never)
            .where("tenant_id", "=", "default")
            .where("id", "=", row.id)
            .execute(),
        );
      await put(value);
      expect(faultsOf(await check(await exported(house))), column).toEqual([
        `2 ${row.id} was edited: its line has another hash than the block holds`,
      ]);
      await put(row[column as keyof typeof row]);
    }
    expect((await check(await exported(house))).faults).toEqual([]);
    await house.close();
  });

  test("a row that was edited before it was sealed", async () => {
    const { house } = await openRecorded(await fresh(), [3]);
    await house.audit.note(acme, "thing.hidden", { details: { 10: "ten", 9: [undefined, { left: undefined, kept: null }], "": 1 } });
    const row = (await eventsOf(house)).find(({ action }) => action === "thing.hidden");
    if (!row) throw new Error("no row");
    const put = (action: string) =>
      house.db.write((tx) =>
        tx
          .updateTable("audit_events")
          .set({ action } as never)
          .where("tenant_id", "=", "default")
          .where("id", "=", row.id)
          .execute(),
      );
    await put("thing.other");
    expect(faultsOf(await check(await exported(house)))).toEqual([
      expect.stringContaining(`${row.id} was edited: its line has another hash than the block holds`) as string,
    ]);
    await put("thing.hidden");
    expect((await check(await exported(house))).faults).toEqual([]);
    await house.close();
  });

  test("a deleted row, sealed or not", async () => {
    const { house } = await openRecorded(await fresh(), [3, 3]);
    await house.audit.note(acme, "thing.hidden");
    const rows = await eventsOf(house);
    const gone = [rows.find(({ action }) => action === "thing.happened"), rows.find(({ action }) => action === "thing.hidden")].map(
      (row) => row?.id ?? "",
    );
    await house.db.write((tx) => tx.deleteFrom("audit_events").where("tenant_id", "=", "default").where("id", "in", gone).execute());
    expect(faultsOf(await check(await exported(house)))).toEqual([`2 ${gone[0]} is missing`, `4 ${gone[1]} is missing`]);
    await house.close();
  });

  test("a row that changed its place in time", async () => {
    const { house } = await openRecorded(await fresh(), [3]);
    const [row] = (await eventsOf(house)).filter(({ action }) => action === "thing.happened");
    await house.db.write((tx) =>
      tx
        .updateTable("audit_events")
        .set({ at: 1 } as never)
        .where("tenant_id", "=", "default")
        .where("id", "=", row?.id ?? "")
        .execute(),
    );
    expect(faultsOf(await check(await exported(house)))).toEqual([`2 ${row?.id} is missing`]);
    await house.close();
  });

  test("a deleted block, and the end of the chain cut off after a checkpoint", async () => {
    const { house, hand } = await openRecorded(await fresh(), [3, 3, 3]);
    await runJob(house, "audit.checkpoint");
    const blocks = await blocksOf(house);
    const remove = (number: number) =>
      house.db.write((tx) => tx.deleteFrom("audit_blocks").where("tenant_id", "=", "default").where("number", "=", number).execute());
    await remove(4);
    expect(faultsOf(await check(await exported(house)))).toEqual(["4 - a checkpoint over block 4 was signed, and the block is not there"]);
    await house.db.write((tx) =>
      tx
        .insertInto("audit_blocks")
        .values(blocks[3] as never)
        .execute(),
    );
    await remove(3);
    hand.forward(1);
    expect(faultsOf(await check(await exported(house)))).toContain("4 - 1 block(s) before it are missing");
    await house.close();
  });

  test("no checkpoint is signed over a chain that is not the one that was signed before", async () => {
    const { house } = await openRecorded(await fresh(), [3]);
    await runJob(house, "audit.checkpoint");
    await house.db.write((tx) =>
      tx
        .updateTable("audit_blocks")
        .set({ hash: "1".repeat(64) } as never)
        .where("tenant_id", "=", "default")
        .where("number", "=", 2)
        .execute(),
    );
    await house.audit.note(acme, "thing.happened");
    await house.chain.seal("default");
    await expect(runJob(house, "audit.checkpoint")).rejects.toThrow("Block 2 of tenant default is not what a checkpoint of it says");
    expect((await check(await exported(house))).ok).toBe(false);
    await house.close();
  });
});

eachStore("the chain", (fresh) => {
  test("an export says what is not sealed yet, and seals what it can first", async () => {
    const { house, hand } = await openRecorded(await fresh(), [2]);
    await house.audit.note(acme, "thing.happened");
    hand.forward(10_000);
    const lines = await exported(house);
    expect(await check(lines)).toMatchObject({ ok: true, unsealed: 0, blocks: 3 });
    await house.close();
  });

  test("checkpoints are signed where something happened since, and stand in the export where they belong", async () => {
    const { house, hand } = await openRecorded(await fresh(), [2]);
    await runJob(house, "audit.checkpoint");
    await runJob(house, "audit.checkpoint");
    await recordBlocks(house, [1], () => hand.forward(1));
    await runJob(house, "audit.checkpoint");
    const lines = await exported(house);
    expect(lines.map(typeOf).filter((type) => type === "block" || type === "checkpoint")).toEqual([
      "block",
      "block",
      "checkpoint",
      "block",
      "checkpoint",
    ]);
    expect(await check(lines)).toMatchObject({ ok: true, checkpoints: 2 });
    await house.close();
  });

  test("a part of it verifies by itself, from and to whole blocks", async () => {
    const { house, hand } = await openRecorded(await fresh(), [3, 3, 3, 3]);
    const blocks = await blocksOf(house);
    const [, , third, fourth] = blocks;
    const numbers = async (ask: { from?: number; to?: number }) => {
      const lines = await exported(house, ask);
      expect((await check(lines)).faults).toEqual([]);
      return placesOf(lines, "block").map((at) => (JSON.parse(lines[at] ?? "") as { number: number }).number);
    };
    expect(await numbers({ from: third?.last_at ?? 0 })).toEqual([3, 4, 5]);
    expect(await numbers({ to: fourth?.first_at ?? 0 })).toEqual([1, 2, 3]);
    expect(await numbers({ from: third?.first_at ?? 0, to: (fourth?.first_at ?? 0) + 1 })).toEqual([3, 4]);
    expect(await numbers({ from: hand.clock() + day })).toEqual([]);
    await house.close();
  });

  test("an earlier export, or a checkpoint that was kept, is followed by a later one and by no other", async () => {
    const { house, hand } = await openRecorded(await fresh(), [3, 3]);
    const old = await exported(house);
    await recordBlocks(house, [3], () => hand.forward(1));
    const since = await standingOf([bytesOf(old)]);
    const token = (JSON.parse(old.at(-1) ?? "") as { token: string }).token;
    expect(await standingOf([Buffer.from(`${token}\n`)])).toEqual(since);
    expect(await check(await exported(house), since)).toMatchObject({ ok: true, since: { block: 3, linked: true } });
    // Everything is written anew, hashes, checkpoints and all: only what somebody kept tells.
    for (const table of ["audit_blocks", "audit_checkpoints"] as const)
      await house.db.write((tx) => tx.deleteFrom(table).where("tenant_id", "=", "default").execute());
    await house.db.write(async (tx) => {
      const rows = await tx
        .deleteFrom("audit_events")
        .where("tenant_id", "=", "default")
        .returning(["tenant_id", "at", "id", "action"])
        .execute();
      expect(rows.length).toBeGreaterThan(0);
    });
    await recordBlocks(house, [1, 1, 1, 1, 1], () => hand.forward(1));
    const forged = await exported(house);
    expect((await check(forged)).ok).toBe(true);
    expect(faultsOf(await check(forged, since))).toEqual(["3 - is not what it was in the earlier export: the chain was written anew"]);
    await house.close();
  });

  test("the keys may be given from elsewhere, and a foreign one is told", async () => {
    const { house } = await openRecorded(await fresh(), [1]);
    const lines = await exported(house);
    const { verifyExport } = await import("../../scripts/audit-verify.mjs");
    const ours = importKeys(await house.signing.keySet("default"));
    expect(await verifyExport([bytesOf(lines)], { keys: ours })).toMatchObject({ ok: true, signedBy: ours[0]?.thumbprint });
    const { publicKey } = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign"]);
    const foreign = importKeys({ keys: [await crypto.subtle.exportKey("jwk", publicKey)] });
    expect(faultsOf(await verifyExport([bytesOf(lines)], { keys: foreign }))[0]).toContain("which is not among those you trust");
    await house.close();
  });

  test("what a key signed that was revoked since is told, and the export is signed by another", async () => {
    const { house } = await openRecorded(await fresh(), [2]);
    await runJob(house, "audit.checkpoint");
    const [stolen] = await house.signing.publicKeys("default");
    await house.signing.revoke(acme, stolen?.id ?? "");
    const report = await check(await exported(house));
    expect(report.faults).toEqual([]);
    expect(report.warnings).toHaveLength(1);
    expect(report.warnings[0]).toContain("revoked 2026-01-01");
    expect(report.keys.find(({ kid }) => kid === stolen?.id)).toMatchObject({ revokedAt: expect.stringContaining("2026-01-01") as string });
    await house.close();
  });

  test("no door takes a checkpoint for a token", async () => {
    const { house } = await openRecorded(await fresh(), [1]);
    await runJob(house, "audit.checkpoint");
    const { token } = await house.db.read.selectFrom("audit_checkpoints").select("token").executeTakeFirstOrThrow();
    const claims = {
      iss: "http://127.0.0.1:8700",
      aud: "http://127.0.0.1:8700/vault",
      sub: "agt_1",
      epochs: { agent: 0, tenant: 0 },
      iat: 1_767_225_600,
      exp: 4_000_000_000,
      jti: "x",
    };
    const disguised = await house.signing.sign("default", "legate-audit-checkpoint+jwt", claims);
    for (const each of [token, disguised]) {
      await expect(house.tokens.verify("workload", each)).rejects.toMatchObject({ code: "unauthenticated" });
      for (const right of ["admin", "operator", "auditor", "agent", "user-token", "workload-token"] as const)
        await expect(
          house.authn.prove({ tenant: "default", requestId: "r", authorization: `Bearer ${each}` } as never, [right]),
        ).rejects.toMatchObject({ code: "unauthenticated" });
    }
    await house.close();
  });
});

eachStore("retention", (fresh) => {
  test("cuts whole blocks that are too old, and the export proves what was cut", async () => {
    const { house, hand } = await openRecorded(await fresh(), [3, 3], 30);
    const old = await exported(house);
    const before = (await eventsOf(house)).length;
    hand.forward(20 * day);
    await recordBlocks(house, [4], () => hand.forward(1));
    await runJob(house, "audit.retention");
    expect((await eventsOf(house)).length).toBeGreaterThan(before);
    hand.forward(11 * day);
    // What waits for its seal is never cut, however old it is.
    await house.audit.note(acme, "thing.happened");
    hand.forward(1);
    await runJob(house, "audit.retention");
    const left = await eventsOf(house);
    expect(left.filter(({ target }) => target?.startsWith("thing-"))).toHaveLength(4);
    const lines = await exported(house);
    expect(lines.map(typeOf).slice(0, 5)).toEqual(["header", "checkpoint", "block", "block", "block"]);
    const report = await check(lines, await standingOf([bytesOf(old)]));
    expect(report.faults).toEqual([]);
    expect(report).toMatchObject({ ok: true, firstBlock: 1, cut: { events: before, block: 3 }, since: { block: 3, linked: true } });
    await house.close();
  });

  test("what is cut is found by nobody, and what said whom it named goes with it", async () => {
    const { house, hand } = await openRecorded(await fresh(), [], 30);
    const named = async () =>
      (await house.audit.list("default", { agent: "agt_1" }, { limit: 10 })).items.map(({ target }) => target).join(" ");
    const filters = async () =>
      (await house.db.read.selectFrom("audit_block_filters").select("number").where("tenant_id", "=", "default").execute()).length;
    for (const target of ["first", "second"]) {
      await house.audit.note(acme, "thing.happened", { target, agent: "agt_1" });
      // Beyond what one filter spans: this block has two.
      hand.forward(60_000);
      await house.audit.note(acme, "thing.happened", { target, agent: "agt_1", user: "usr_1" });
      await house.chain.seal("default");
      hand.forward(20 * day);
    }
    expect([await named(), await filters()]).toEqual(["second second first first", 4]);
    await runJob(house, "audit.retention");
    expect([await named(), await filters()]).toEqual(["second second", 2]);
    await house.close();
  });

  test("events that vanished with no signed word are not cut, but deleted", async () => {
    const { house } = await openRecorded(await fresh(), [3, 3], 30);
    const blocks = await blocksOf(house);
    const { rootOf } = await import("../../packages/server/src/ground/audit/block.ts");
    const second = blocks[1];
    await house.db.write(async (tx) => {
      await tx
        .deleteFrom("audit_events")
        .where("tenant_id", "=", "default")
        .where("action", "=", "thing.happened")
        .where("at", "<=", second?.last_at ?? 0)
        .execute();
      const root = rootOf(JSON.parse(second?.events ?? "[]") as never);
      await tx
        .updateTable("audit_blocks")
        .set({ events: JSON.stringify(root) })
        .where("tenant_id", "=", "default")
        .where("number", "=", 2)
        .execute();
    });
    await runJob(house, "audit.checkpoint");
    await house.db.write((tx) =>
      tx
        .updateTable("audit_checkpoints")
        .set({ cut: 1 } as never)
        .where("tenant_id", "=", "default")
        .execute(),
    );
    expect(faultsOf(await check(await exported(house)))).toContain(
      "2 - the block has no events, and no checkpoint says that they were cut",
    );
    await house.close();
  });

  test("a run that was broken off is finished by the next", async () => {
    const { house, hand } = await openRecorded(await fresh(), [2, 2, 2, 2, 2], 1);
    hand.forward(3 * day);
    await recordBlocks(house, [1], () => hand.forward(1));
    const stop = new AbortController();
    const write: typeof house.db.write = (unit) => house.db.write(unit);
    let writes = 0;
    const counting: typeof write = (unit) => {
      writes += 1;
      // The word is kept, and two blocks are cut.
      if (writes === 3) stop.abort();
      return write(unit);
    };
    const { makeChain } = await import("../../packages/server/src/ground/audit/index.ts");
    const chain = makeChain({
      db: { ...house.db, write: counting },
      clock: hand.clock,
      signer: { sign: house.signing.sign, publicKeys: house.signing.publicKeys, issuerOf: house.tenants.issuerOf },
      isOpen: () => Promise.resolve(true),
      retentionDays: 1,
    });
    await chain.jobs.find(({ name }) => name === "audit.retention")?.run(stop.signal);
    const uncut = async () => (await blocksOf(house)).filter(({ events }) => events.startsWith("[")).map(({ number }) => number);
    expect(await uncut()).toEqual([3, 4, 5, 6, 7]);
    expect(await check(await exported(house))).toMatchObject({ ok: true, cut: { block: 6 } });
    await runJob(house, "audit.retention");
    expect((await uncut())[0]).toBe(7);
    expect(await check(await exported(house))).toMatchObject({ ok: true, cut: { block: 6 } });
    await house.close();
  });

  test("is off unless it is asked for", async () => {
    const { house, hand } = await openRecorded(await fresh(), [2]);
    hand.forward(40_000 * day);
    await runJob(house, "audit.retention");
    expect((await blocksOf(house)).every(({ events }) => events.startsWith("["))).toBe(true);
    await house.close();
  });
});

describe("the program", () => {
  const folder = mkdtempSync(join(tmpdir(), "legate-verify-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const run = (...given: readonly string[]) => spawnSync(process.execPath, ["scripts/audit-verify.mjs", ...given], { encoding: "utf8" });

  test("says what it checked, names what is wrong, and ends with 0, 1 or 2", async () => {
    const { house } = await openRecorded({ engine: "sqlite", path: join(folder, "store", "legate.db") }, [3, 3]);
    const lines = await exported(house);
    const keys = await house.signing.keySet("default");
    await house.close();
    const put = (name: string, content: string | Buffer) => {
      writeFileSync(join(folder, name), content);
      return join(folder, name);
    };
    const file = put("audit.jsonl", bytesOf(lines));
    const good = run(file, "--keys", put("keys.json", JSON.stringify(keys)), "--since", file);
    expect(good.stdout).toMatch(/^Tenant default of http:\/\/127\.0\.0\.1:8700, exported 2026-01-01T/);
    expect(good.stdout).toContain("in 3 blocks (1 to 3), from 2026-01-01T");
    expect(good.stdout).toContain("It follows what was known before, up to block 3");
    expect(good.stdout).toMatch(/\nOK: this is what Legate exported/);
    expect([good.status, good.stderr]).toEqual([0, ""]);

    const [place = 0] = placesOf(lines, "event").slice(-1);
    const { id } = JSON.parse(lines[place] ?? "") as { id: string };
    const bad = put("bad.jsonl", bytesOf(lines.map((line, at) => (at === place ? line.replace("happened", "unhappened") : line))));
    expect(run(bad)).toMatchObject({ status: 1, stdout: expect.stringContaining(`WRONG: block 3, event ${id}: was edited`) as string });
    const report = JSON.parse(run(bad, "--json").stdout) as { ok: boolean; faults: unknown[] };
    expect(report.ok).toBe(false);
    expect(report.faults[0]).toMatchObject({ block: 3, event: id });

    for (const given of [
      [],
      [file, file],
      [join(folder, "nowhere")],
      [file, "--keys", put("no-keys.json", "{}")],
      [file, "--since", put("word", "hello")],
      [file, "--unknown"],
    ])
      expect(run(...given).status, given.join(" ")).toBe(2);
  });
});
