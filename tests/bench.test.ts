import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";

/** Runs the bench as a person would, with numbers so small that it measures nothing and yet sends every kind of request. */
const bench = async (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> => {
  const { stdout } = await promisify(execFile)(process.execPath, ["bench/dist/main.js", ...args], {
    env: {
      PATH: process.env["PATH"] ?? "",
      LEGATE_BENCH_STORES: "sqlite",
      LEGATE_BENCH_KEYCLOAK: "none",
      LEGATE_BENCH_REQUESTS: "40",
      LEGATE_BENCH_ROUNDS: "1",
      ...env,
    },
    timeout: 100_000,
  });
  return stdout;
};

// A request that is not answered as it should be fails the run, so these also tell whether the bench still speaks the wire.
describe.concurrent("the bench runs from end to end, and every request succeeds", { timeout: 120_000 }, () => {
  test("against the ceiling, at each number of connections", async () => {
    const told = await bench([], { LEGATE_BENCH_CONNECTIONS: "1,4" });
    for (const what of ["ceiling", "fresh workload token, busy agent", "vault read of a live credential"])
      for (const connections of [1, 4]) expect(told).toMatch(new RegExp(`\\| ${what} \\| ${connections} \\| [\\d,]+ \\| \\d+% \\|`));
    expect(told).toContain("Keycloak was not measured: LEGATE_BENCH_KEYCLOAK says none.");
  });

  test("with few agents and with many", async () => {
    const told = await bench(["--large"], { LEGATE_BENCH_SIZES: "20,300" });
    expect(told).toMatch(/\| mint, busy agents \| 20 \| [\d,]+ \| 100% \|/);
    expect(told).toMatch(/\| read, every time another agent \| 300 \| [\d,]+ \| \d+% \|/);
  });

  test("as a soak, with verdicts", async () => {
    const told = await bench(["--soak", "0.04"]);
    expect(told).toMatch(/holds: [\d,]+ requests, 0 failed\./);
    expect(told).toMatch(/p99 of the last third is \d/);
    expect(told).toMatch(/memory held, all garbage collected, \d+, \d+, \d+ MB/);
  });

  test("as a profile, telling whose work it was", async () => {
    const told = await bench(["--profile"]);
    for (const what of ["fresh workload token", "vault read of a live credential"])
      expect(told).toMatch(new RegExp(`SQLite, ${what}: \\d+ us a request`));
    expect(told).toContain("| the driver (libsql) |");
  });

  test("of the token endpoint, beside oidc-provider", async () => {
    const told = await bench(["--oauth"], { LEGATE_BENCH_CONNECTIONS: "4" });
    for (const what of ["ceiling", "client credentials", "token exchange", "oidc-provider, client credentials"])
      expect(told).toMatch(new RegExp(`\\| ${what} \\| 4 \\| [\\d,]+ \\| \\d+% \\|`));
  });

  test("of the Alibaba Cloud wire, by each kind of key", async () => {
    const told = await bench(["--alibaba"], { LEGATE_BENCH_CONNECTIONS: "4" });
    for (const what of ["ceiling", "native read", "GetResourceOAuth2Token, agent's key", "GetResourceOAuth2Token, temporary key"])
      expect(told).toMatch(new RegExp(`\\| ${what} \\| 4 \\| [\\d,]+ \\| \\d+% \\|`));
  });

  test("says how it is used when it is asked for something else", async () => {
    await expect(bench(["--fast"])).rejects.toThrow(
      /npm run bench \[-- --large \| --soak \[minutes\] \| --profile \| --oauth \| --alibaba\]/,
    );
  });
});
