import Database from "libsql";

/** What may be bound to a statement. */
type Bindable = string | bigint | number | null | Buffer;

/**
 * Turns a parameter into what the driver binds rightly, or refuses it: handed a boolean, a date, an object or an empty buffer the driver ends
 * the process, and text with NUL, lone surrogates, undefined and NaN it stores as something else.
 */
const bindable = (value: unknown): Bindable => {
  switch (typeof value) {
    case "string":
      if (value.includes("\0") || !value.isWellFormed()) throw new TypeError("SQLite: text must be well-formed Unicode without NUL");
      return value;
    case "number":
      // Every JavaScript number would be bound as REAL; an integer must be a BigInt to stay one.
      if (Number.isSafeInteger(value)) return BigInt(value);
      if (Number.isFinite(value) && !Number.isInteger(value)) return value;
      throw new TypeError("SQLite: a number must be finite and, if an integer, safe");
    case "bigint":
      if (BigInt.asIntN(64, value) !== value) throw new TypeError("SQLite: an integer must fit 64 bits");
      return value;
    case "object":
      if (value === null) return null;
      if (value instanceof Uint8Array && value.byteLength > 0) return Buffer.isBuffer(value) ? value : Buffer.from(value);
      throw new TypeError("SQLite: an object cannot be bound, nor an empty buffer");
    default:
      throw new TypeError(`SQLite: a ${typeof value} cannot be bound`);
  }
};

/** How many `?` a statement has outside quotes and comments: binding fewer would leave another caller's values in place. */
export const countParameters = (sql: string): number => {
  let count = 0;
  for (const [token] of sql.matchAll(/'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|\?/g)) if (token === "?") count += 1;
  return count;
};

const fromStore = (value: unknown): unknown => {
  if (value instanceof ArrayBuffer) return Buffer.from(value);
  if (typeof value !== "bigint") return value;
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new RangeError("SQLite: a stored integer is too large for a number");
  return number;
};

interface Prepared {
  readonly statement: Database.Statement;
  readonly parameters: number;
  /** The names of what it answers; undefined where it answers no rows. */
  readonly columns: readonly string[] | undefined;
}

/** Rows come as arrays, which the driver builds much faster than objects. */
const toRow = (columns: readonly string[], values: readonly unknown[]): Record<string, unknown> => {
  const row: Record<string, unknown> = {};
  for (let at = 0; at < columns.length; at += 1) row[columns[at] as string] = fromStore(values[at]);
  return row;
};

/** One guarded connection to a SQLite file: statements cached by text, parameters checked, integers exact. */
export interface SqliteConnection {
  /** Runs one statement with its parameters. */
  run(sql: string, parameters: readonly unknown[]): { readonly rows: Record<string, unknown>[]; readonly changes: number };
  /** Runs a statement that takes no parameters and answers nothing: `begin`, `commit`, a pragma. */
  exec(sql: string): void;
  inTransaction(): boolean;
  close(): void;
}

const statementsKept = 500;

/** @param options Of the driver. @throws when the file cannot be opened */
export const openSqliteConnection = (path: string, options: { readonly readonly?: boolean } = {}): SqliteConnection => {
  const database = new Database(path, options);
  const cache = new Map<string, Prepared>();
  let closed = false;

  /** `as` is how it will be run: the driver's `get` after an `all` of the same statement answers what the `all` was asked. */
  const prepare = (sql: string, as: "one" | "all"): Prepared => {
    const name = `${as} ${sql}`;
    const known = cache.get(name);
    if (known) return known;
    const statement = database.prepare(sql).safeIntegers(true);
    const columns = statement.reader ? statement.columns().map(({ name }) => name) : undefined;
    if (columns) statement.raw(true);
    const prepared = { statement, parameters: countParameters(sql), columns };
    if (cache.size >= statementsKept) cache.delete(cache.keys().next().value ?? "");
    cache.set(name, prepared);
    return prepared;
  };
  const open = () => {
    if (closed) throw new Error("SQLite: the connection is closed");
  };

  return {
    run: (sql, parameters) => {
      open();
      const isOne = parameters.at(-1) === 1 && sql.endsWith(" limit ?");
      const { statement, parameters: wanted, columns } = prepare(sql, isOne ? "one" : "all");
      if (parameters.length !== wanted) throw new TypeError(`SQLite: the statement takes ${wanted} parameters, not ${parameters.length}`);
      const bound = parameters.map(bindable);
      // A list of one null is taken for "no parameters" unless it is wrapped once more.
      if (!columns) return { rows: [], changes: (bound.length === 0 ? statement.run() : statement.run(bound)).changes };
      // One row is read in one call into the driver, which costs half of what a list of rows does.
      if (isOne) {
        const values = statement.get(bound) as unknown[] | undefined;
        return values === undefined ? { rows: [], changes: 0 } : { rows: [toRow(columns, values)], changes: 1 };
      }
      const rows = (bound.length === 0 ? statement.all() : statement.all(bound)) as unknown[][];
      return { rows: rows.map((values) => toRow(columns, values)), changes: rows.length };
    },
    exec: (sql) => {
      open();
      database.exec(sql);
    },
    inTransaction: () => database.inTransaction,
    close: () => {
      if (closed) return;
      closed = true;
      cache.clear();
      database.close();
    },
  };
};
