import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { freePort } from "../../packages/server/src/testing/free-port.ts";
import { adminKey, type How, legateHere, openLegateServer, temporary } from "./legate.ts";

interface Finding {
  readonly check: string;
  readonly status: string;
  readonly message: string;
  readonly mend?: string;
}

const isWindows = process.platform === "win32";

let folder: ReturnType<typeof temporary>;
let server: Awaited<ReturnType<typeof openLegateServer>> | undefined;
beforeEach(() => {
  folder = temporary();
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  folder.remove();
});

const open = async (env: Readonly<Record<string, string>> = {}) => {
  server = await openLegateServer(folder.path, env);
  return { LEGATE_URL: server.address, LEGATE_OPERATOR_KEY: adminKey };
};

const examine = async (words: readonly string[], how: How) => {
  const { code, stdout, stderr } = await legateHere(folder.path).run(
    ["doctor", "--json", "--data-dir", join(folder.path, "data"), ...words],
    how,
  );
  const { worst, findings } = JSON.parse(stdout === "" ? stderr : stdout) as { worst: string; findings: Finding[] };
  const bad = findings.filter(({ status }) => status === "broken" || status === "warning");
  // Whatever is found comes with what to do about it.
  for (const finding of bad) expect(finding.mend, finding.message).toMatch(/.{10}/);
  return { code, worst, findings, bad, of: (check: string) => findings.filter((finding) => finding.check === check) };
};

test("a server that is well is found so", async () => {
  const env = await open();
  const { code, bad, findings } = await examine([], { env });
  expect([code, bad]).toEqual([0, []]);
  expect(new Set(findings.map(({ check }) => check))).toEqual(
    new Set(["stored keys", "key files", "disk", "reach", "store", "key", "clock", "public URL", "headers", "callback URLs", "egress"]),
  );
  const shown = await legateHere(folder.path).run(["doctor"], { env });
  expect([shown.code, shown.stdout.split("\n").filter((line) => line.startsWith("ok")).length]).toEqual([0, 8]);
});

test("a server that is away, and a key that it does not know, are broken", async () => {
  const away = await examine([], { env: { LEGATE_URL: `http://127.0.0.1:${await freePort()}`, LEGATE_OPERATOR_KEY: adminKey } });
  expect([away.code, away.of("reach")]).toMatchObject([1, [{ status: "broken", mend: expect.stringContaining("LEGATE_PORT") as string }]]);
  const env = await open();
  const unknown = await examine([], { env: { ...env, LEGATE_OPERATOR_KEY: "op_nobody_0123456789abcdef" } });
  expect([unknown.code, unknown.of("key")]).toMatchObject([1, [{ status: "broken" }]]);
  expect(unknown.of("egress")).toMatchObject([{ status: "skipped" }]);
});

test("what can be looked at is, where it is not known which server is meant, and where files are not as they should be", async () => {
  const config = join(folder.path, "config/legate/config.json");
  mkdirSync(join(config, ".."), { recursive: true });
  writeFileSync(config, "{", { mode: 0o600 });
  const { code, of } = await examine(["--data-dir", config], { env: {} });
  expect(code).toBe(1);
  expect(of("stored keys")).toMatchObject([
    { status: "broken", message: expect.stringContaining("not what `legate login` writes") as string },
  ]);
  expect(of("key files")).toMatchObject([{ status: "broken", message: expect.stringContaining("ENOTDIR") as string }]);
  expect([of("reach"), of("egress")]).toMatchObject([[{ status: "broken" }], [{ status: "skipped" }]]);
});

test("a public URL that is not where it is asked, and callbacks that lead elsewhere", async () => {
  const env = await open({ LEGATE_PUBLIC_URL: "http://127.0.0.1:9" });
  const endpoints = [
    "--authorization-endpoint",
    "http://127.0.0.1:9/a",
    "--token-endpoint",
    "http://127.0.0.1:9/t",
    "--client-auth",
    "none",
  ];
  await legateHere(folder.path).json(["providers", "create", "mail", "--type", "oauth2", "--client-id", "us", ...endpoints], { env });
  const { code, of } = await examine([], { env });
  expect(code).toBe(1);
  expect(of("public URL")).toMatchObject([
    { status: "warning", mend: expect.stringContaining("LEGATE_PUBLIC_URL") as string },
    { status: "warning" },
  ]);
  expect(of("callback URLs")).toMatchObject([{ status: "broken", message: expect.stringContaining("does not answer") as string }]);
});

test("a provider that the server could not call is told with its warning", async () => {
  const env = await open();
  const endpoint = ["--discovery-url", `http://127.0.0.1:${await freePort()}/`, "--client-auth", "none"];
  await legateHere(folder.path).json(["providers", "create", "mail", "--type", "oauth2", "--client-id", "us", ...endpoint], { env });
  const { code, of } = await examine([], { env });
  expect([code, of("egress")]).toMatchObject([8, [{ status: "warning", mend: expect.stringContaining("LEGATE_EGRESS_ALLOW") as string }]]);
});

test("a server that believes anybody's X-Forwarded-For", async () => {
  const env = await open({ LEGATE_TRUSTED_PROXIES: "127.0.0.0/8" });
  const { code, of } = await examine([], { env });
  expect([code, of("headers")]).toMatchObject([
    8,
    [{ status: "warning", mend: expect.stringContaining("LEGATE_TRUSTED_PROXIES") as string }],
  ]);
});

test.skipIf(isWindows)(`keys that others on the machine can read${isWindows ? " (permissions: none on Windows)" : ""}`, async () => {
  const env = await open();
  chmodSync(join(folder.path, "data/master.key"), 0o644);
  const { code, of } = await examine([], { env });
  expect([code, of("key files")]).toMatchObject([1, [{ status: "broken", mend: expect.stringContaining("chmod 600") as string }]]);
  mkdirSync(join(folder.path, "config/legate"), { recursive: true });
  writeFileSync(join(folder.path, "config/legate/config.json"), "{}", { mode: 0o644 });
  expect((await examine([], { env })).of("stored keys")).toMatchObject([{ status: "broken" }]);
});

test("clocks that do not agree", async () => {
  const env = await open();
  const { runHere } = await import("../../packages/cli/src/world-for-tests.ts");
  const at = async (ahead: number) => {
    const more = { clock: () => Date.now() + ahead };
    const { code, stdout } = await runHere(["doctor", "--json"], { env, fetch: globalThis.fetch, more });
    return [code, (JSON.parse(stdout) as { findings: Finding[] }).findings.find(({ check }) => check === "clock")?.status];
  };
  expect(await at(0)).toEqual([0, "ok"]);
  expect(await at(-20_000)).toEqual([8, "warning"]);
  expect(await at(3_600_000)).toEqual([1, "broken"]);
});
