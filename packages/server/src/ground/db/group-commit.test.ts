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

test("what arrives while the disk is waited for is committed one transaction ahead, and answered after a sync of its own", async () => {
  const { group, add, syncs, stored } = onSlowDisk();
  const answered: string[] = [];
  const write = (id: string) => group.write(add(id)).then(() => answered.push(id));
  const first = write("a");
  await turns();
  const second = ["b", "c"].map(write);
  await turns();
  const third = ["d", "e"].map(write);
  await turns();
  expect([stored(), group.waiting(), syncs.length, answered]).toEqual([["a", "b", "c"], 2, 1, []]);
  let isClosed = false;
  const closed = group.close().then(() => {
    isClosed = true;
  });
  syncs[0]?.done();
  await first;
  await turns();
  expect([stored(), syncs.length, answered, isClosed]).toEqual([["a", "b", "c", "d", "e"], 2, ["a"], false]);
  syncs[1]?.done();
  await Promise.all(second);
  await turns();
  expect([syncs.length, answered, isClosed]).toEqual([3, ["a", "b", "c"], false]);
  syncs[2]?.done();
  await Promise.all([...third, closed]);
});

test("a disk that fails refuses whoever waited, those one transaction ahead too, and nothing is written any more", async () => {
  const { group, add, syncs, stored } = onSlowDisk();
  expect(group.checkWritable()).toBeUndefined();
  const waited = ["a", "b"].map((id) => group.write(add(id)));
  await turns();
  const ahead = group.write(add("c"));
  await turns();
  const queued = group.write(add("d"));
  syncs[0]?.fail(Object.assign(new Error("EIO: i/o error, fdatasync"), { code: "EIO" }));
  const late = Promise.allSettled([...waited, ahead, queued]).then(() => group.write(add("e")));
  for (const refused of [...waited, ahead, queued, late]) await expect(refused).rejects.toMatchObject({ code: "unavailable" });
  expect(() => group.checkWritable()).toThrow(expect.objectContaining({ code: "unavailable" }) as Error);
  await turns();
  expect([stored(), syncs.length, group.waiting()]).toEqual([["a", "b", "c"], 1, 0]);
  await group.close();
});
