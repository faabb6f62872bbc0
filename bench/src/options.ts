/** What this run was told, by its arguments and its environment. */
export interface Options {
  /** What is measured: each store against the ceiling unless a flag says otherwise. */
  readonly what: "compare" | "large" | "soak" | "profile" | "oauth" | "alibaba";
  /** Of a soak. */
  readonly minutes: number;
  /** Numbers of connections, one after another. */
  readonly connections: readonly number[];
  /** Of a run. */
  readonly requests: number;
  readonly rounds: number;
  readonly stores: readonly ("sqlite" | "postgres")[];
  /** Agents and connections of the small and the large store. */
  readonly sizes: readonly [small: number, large: number];
  /** A folder of Keycloak's distribution; `none` leaves Keycloak out; undefined looks for one. */
  readonly keycloak: string | undefined;
}

const usage = "npm run bench [-- --large | --soak [minutes] | --profile | --oauth | --alibaba]";

const positive = (text: string, name: string): number => {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new Error(`${name} must be a number above 0.`);
  return value;
};

const whole = (text: string, name: string): number => {
  const value = positive(text, name);
  if (!Number.isSafeInteger(value)) throw new Error(`${name} must be a whole number.`);
  return value;
};

/** @throws Error that says what is wrong with an argument or a variable */
export const readOptions = (args: readonly string[], env: Readonly<Record<string, string | undefined>>): Options => {
  const [flag, value, ...more] = args;
  const what =
    flag === undefined ? "compare" : (["large", "soak", "profile", "oauth", "alibaba"] as const).find((name) => flag === `--${name}`);
  if (what === undefined || more.length > 0 || (value !== undefined && what !== "soak")) throw new Error(`Usage: ${usage}`);
  const read = (name: string, otherwise: string) => env[name]?.trim() || otherwise;
  const numbers = (name: string, otherwise: string) =>
    read(name, otherwise)
      .split(",")
      .map((text) => whole(text, name));
  const stores = read("LEGATE_BENCH_STORES", "sqlite,postgres")
    .split(",")
    .map((name) => {
      if (name !== "sqlite" && name !== "postgres") throw new Error("LEGATE_BENCH_STORES names sqlite, postgres or both.");
      return name;
    });
  const [small = 100, large = 1_000_000] = numbers("LEGATE_BENCH_SIZES", "100,1000000");
  return {
    what,
    minutes: positive(value ?? "10", "The minutes of a soak"),
    connections: numbers("LEGATE_BENCH_CONNECTIONS", "1,8,32,128"),
    requests: whole(read("LEGATE_BENCH_REQUESTS", "20000"), "LEGATE_BENCH_REQUESTS"),
    rounds: whole(read("LEGATE_BENCH_ROUNDS", "3"), "LEGATE_BENCH_ROUNDS"),
    stores,
    sizes: [small, large],
    keycloak: env["LEGATE_BENCH_KEYCLOAK"]?.trim() || undefined,
  };
};
