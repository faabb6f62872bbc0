import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Kysely } from "kysely";
import { afterAll, expect, test } from "vitest";
import { makeHearing } from "./changes.ts";
import { makeGroupCommit } from "./group-commit.ts";
import { openSqliteConnection } from "./sqlite-connection.ts";
import { sqliteDialect } from "./sqlite-dialect.ts";
import type { Handle, Tables } from "./tables.ts";

const folder = mkdtempSync(join(tmpdir(), "legate-group-"));
const closing: (() => void)[] = [];
afterAll(() => {
  for (const close of closing) close();
  rmSync(folder, { recursive: true, force: true });
});

/** A real file, whose syncs the test lets succeed or fail, each by itself. */
const onSlowDisk = () => {
  const connection = openSqliteConnection(join(folder, `${closing.length}.db`));
  closing.push(() => connection.close());
  connection.exec("create table tenants (id text primary key, status text, epoch integer, created_at integer) strict");
  const heard: string[] = [];
  const hearing = makeHearing();
  hearing.subscribe((change) => heard.push(change?.target ?? "anything"));
  const syncs: { readonly done: () => void; readonly fail: (error: Error) => void }[] = [];
  const group = makeGroupCommit({
    connection,
    tx: new Kysely<Tables>({ dialect: sqliteDialect(connection) }),
    hearing,
    sync: () => new Promise<void>((done, fail) => syncs.push({ done, fail })),
  });
  const add = (id: string) => async (tx: Handle) => {
    await tx.insertInto("tenants").values({ id, status: "active", epoch: 0, created_at: 1 }).execute();
    hearing.note(tx, { tenant: id, kind: "tenant", target: id });
  };
  const stored = () => connection.run("select id from tenants order by id", []).rows.map(({ id }) => id);
  return { group, add, heard, syncs, stored };
};

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
};

test("nobody is answered before the disk has what was committed, yet all hear of it at once", async () => {
  const { group, add, heard, syncs, stored } = onSlowDisk();
  const answered: string[] = [];
  const writing = ["a", "b"].map((id) => group.write(add(id)).then(() => answered.push(id)));
  const refused = group.write(() => Promise.reject(new Error("no"))).catch(() => answered.push("no"));
  await turns();
  expect({ stored: stored(), heard, answered, syncs: syncs.length }).toEqual({
    stored: ["a", "b"],
    heard: ["a", "b"],
    answered: [],
    syncs: 1,
  });
  syncs[0]?.done();
  await Promise.all([...writing, refused]);
  expect(answered).toEqual(["a", "b", "no"]);
});

test("what arrives while the disk is waited for shares the next transaction, and closing waits for it", async () => {
  const { group, add, syncs, stored } = onSlowDisk();
  const first = group.write(add("a"));
  await turns();
  const later = ["b", "c", "d"].map((id) => group.write(add(id)));
  await turns();
  expect([stored(), group.waiting(), syncs.length]).toEqual([["a"], 3, 1]);
  let isClosed = false;
  const closed = group.close().then(() => {
    isClosed = true;
  });
  syncs[0]?.done();
  await first;
  await turns();
  expect([stored(), syncs.length, isClosed]).toEqual([["a", "b", "c", "d"], 2, false]);
  syncs[1]?.done();
  await Promise.all([...later, closed]);
});

test("a disk that fails refuses whoever waited, and nothing is written any more", async () => {
  const { group, add, syncs, stored } = onSlowDisk();
  expect(group.checkWritable()).toBeUndefined();
  const waited = ["a", "b"].map((id) => group.write(add(id)));
  await turns();
  const queued = group.write(add("c"));
  syncs[0]?.fail(Object.assign(new Error("EIO: i/o error, fdatasync"), { code: "EIO" }));
  const late = Promise.allSettled([...waited, queued]).then(() => group.write(add("d")));
  for (const refused of [...waited, queued, late]) await expect(refused).rejects.toMatchObject({ code: "unavailable" });
  expect(() => group.checkWritable()).toThrow(expect.objectContaining({ code: "unavailable" }) as Error);
  await turns();
  expect([stored(), syncs.length, group.waiting()]).toEqual([["a", "b"], 1, 0]);
  await group.close();
});
