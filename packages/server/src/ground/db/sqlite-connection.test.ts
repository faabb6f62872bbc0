import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { countParameters, openSqliteConnection, type SqliteConnection } from "./sqlite-connection.ts";

const directory = mkdtempSync(join(tmpdir(), "legate-sqlite-"));
let connection: SqliteConnection;

beforeAll(() => {
  connection = openSqliteConnection(join(directory, "test.db"));
  connection.exec("create table t (id integer primary key, value)");
});
afterAll(() => {
  connection.close();
  rmSync(directory, { recursive: true, force: true });
});

const store = (value: unknown) =>
  connection.run("insert into t (value) values (?) returning value, typeof(value) as type", [value]).rows[0];

describe("what the driver would turn into a crash or a wrong value is refused before it", () => {
  // Each of these ends the process, or is stored as something else, when it reaches the driver unguarded.
  test.each([
    ["a boolean", true],
    ["a date", new Date(0)],
    ["an object", { a: 1 }],
    ["an array", [1]],
    ["an ArrayBuffer", new ArrayBuffer(4)],
    ["an empty buffer", Buffer.alloc(0)],
    ["undefined", undefined],
    ["NaN", Number.NaN],
    ["infinity", Number.POSITIVE_INFINITY],
    ["an unsafe integer", 2 ** 53],
    ["a bigint of 65 bits", 2n ** 63n],
    ["text with NUL", "a\0b"],
    ["a lone surrogate", "\ud800"],
    ["a symbol", Symbol("x")],
    ["a function", () => 1],
  ])("%s", (_, value) => {
    expect(() => store(value)).toThrow(TypeError);
  });
});

describe("what is allowed comes back as it went in", () => {
  test.each([
    ["text", "grüße 😀", "text"],
    ["an empty text", "", "text"],
    ["an integer", 3, "integer"],
    ["the largest safe integer", Number.MAX_SAFE_INTEGER, "integer"],
    ["a fraction", 1.5, "real"],
    ["null", null, "null"],
    ["a Uint8Array", new Uint8Array([1, 2]), "blob"],
  ])("%s", (_, value, type) => {
    const row = store(value);
    expect(row?.["type"]).toBe(type);
    expect(row?.["value"]).toEqual(value instanceof Uint8Array ? Buffer.from(value) : value);
  });

  test("integers divide as integers", () => {
    expect(connection.run("select 3 / ? as quotient", [2]).rows).toEqual([{ quotient: 1 }]);
  });

  test("a single null is one parameter, not none", () => {
    expect(connection.run("select ? is null as missing", [null]).rows).toEqual([{ missing: 1 }]);
  });

  test("a row carries its columns and nothing else", () => {
    expect(Object.keys(connection.run("select 1 as one", []).rows[0] ?? {})).toEqual(["one"]);
  });

  test("an integer too large for a number is an error, never a rounded value", () => {
    expect(() => connection.run("select 9007199254740993 as large", [])).toThrow(RangeError);
  });
});

test("too few parameters are refused: the driver would bind the previous caller's", () => {
  connection.run("select ? as a, ? as b", ["alice", "secret"]);
  expect(() => connection.run("select ? as a, ? as b", ["bob"])).toThrow(/takes 2 parameters, not 1/);
  expect(() => connection.run("select ? as a, ? as b", ["bob", "x", "y"])).toThrow(TypeError);
});

test("question marks inside quotes and comments are no parameters", () => {
  expect(countParameters(`select '?', "a?", '''?' -- ?\n , ? /* ? */ from t where x = ?`)).toBe(2);
});

test("a closed connection runs nothing", () => {
  const other = openSqliteConnection(join(directory, "other.db"));
  other.run("select 1", []);
  other.close();
  expect(() => other.run("select 1", [])).toThrow(/closed/);
});

describe("a statement that answers at most one row", () => {
  const one = (value: string) => connection.run("select value from t where value = ? order by id limit ?", [value, 1]).rows;

  test("answers it, or none, again and again", () => {
    store("twice");
    store("twice");
    for (let round = 0; round < 3; round += 1) {
      expect(one("twice")).toEqual([{ value: "twice" }]);
      expect(one("nowhere")).toEqual([]);
    }
  });

  test("leaves nothing open behind it: a transaction can end, and the table can go", () => {
    connection.exec("create table gone (value)");
    connection.run("insert into gone (value) values (?), (?)", [1, 2]);
    connection.exec("begin");
    expect(connection.run("select value from gone order by value limit ?", [1]).rows).toEqual([{ value: 1 }]);
    connection.exec("commit");
    connection.exec("drop table gone");
  });

  test("answers what it is asked now, whatever the same text was asked before with another limit", () => {
    for (const value of ["m1", "m2", "m3", "m4", "m5"]) store(value);
    const from = (value: string, limit: number) =>
      connection
        .run("select value from t where value >= ? and value like 'm%' order by value limit ?", [value, limit])
        .rows.map((row) => row["value"]);
    for (let round = 0; round < 3; round += 1) {
      expect(from("m1", 4)).toEqual(["m1", "m2", "m3", "m4"]);
      expect(from("m3", 1)).toEqual(["m3"]);
      expect(from("m4", 1)).toEqual(["m4"]);
      expect(from("m2", 2)).toEqual(["m2", "m3"]);
      expect(from("m5", 1)).toEqual(["m5"]);
    }
  });

  test("holds no snapshot: what another connection commits is seen, and the log can be emptied", () => {
    const path = join(directory, "seen.db");
    const writer = openSqliteConnection(path);
    writer.exec("pragma journal_mode = wal");
    writer.exec("create table n (value)");
    writer.run("insert into n (value) values (?)", [0]);
    const reader = openSqliteConnection(path);
    for (let value = 1; value < 4; value += 1) {
      expect(reader.run("select value from n limit ?", [1]).rows).toEqual([{ value: value - 1 }]);
      writer.run("update n set value = ?", [value]);
      expect(writer.run("pragma wal_checkpoint(truncate)", []).rows[0]).toMatchObject({ busy: 0, log: 0 });
    }
    reader.close();
    writer.close();
  });
});
