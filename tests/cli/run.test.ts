import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { adminKey, type How, type Legate, legateHere, legateProcess, openLegateServer, temporary } from "./legate.ts";

const hasProc = existsSync("/proc/self/cmdline");

const folder = temporary();
let server: Awaited<ReturnType<typeof openLegateServer>>;
let legate: Legate;
let env: Record<string, string>;

const starting = (words: readonly string[], command: readonly string[], how: How = {}) =>
  legate.run(["run", "--project", "shop", "--agent", "scout", ...words, "--", ...command], { ...how, env: { ...env, ...how.env } });
const node = (code: string) => [process.execPath, "-e", code];
const setVariable = async (name: string, value: string) =>
  legateHere(folder.path).json(["projects", "variables", "set", "shop", name, "--value-env", "VALUE"], { env: { ...env, VALUE: value } });
const removeVariable = (name: string) => legateHere(folder.path).json(["projects", "variables", "delete", "shop", name], { env });

beforeAll(async () => {
  server = await openLegateServer(folder.path);
  legate = legateProcess(folder.path);
  env = { LEGATE_URL: server.address, LEGATE_OPERATOR_KEY: adminKey };
  const here = legateHere(folder.path);
  await here.json(["projects", "set", "shop"], { env });
  await here.json(["agents", "create", "scout", "--project", "shop"], { env });
  await setVariable("SHOP_TOKEN", "CANARY of the shop\nwith two lines");
});
afterAll(async () => {
  await server.close();
  folder.remove();
});

describe("a command that is run with a project's variables", () => {
  test("has them in its environment, and nowhere else", async () => {
    const print = "process.stdout.write(JSON.stringify([process.env.SHOP_TOKEN, process.env.MINE, process.argv.slice(1)]))";
    const { code, stdout, stderr } = await starting([], [...node(print), "--", "--flag", "a b"], { env: { MINE: "mine" } });
    expect([code, JSON.parse(stdout)]).toEqual([0, ["CANARY of the shop\nwith two lines", "mine", ["--flag", "a b"]]]);
    expect(stderr).toBe("");
  });

  test.skipIf(!hasProc)(
    `is told what it is told by its environment alone: no list of processes shows it${hasProc ? "" : " (proc: none mounted)"}`,
    async () => {
      const read = `const fs = require("fs"); for (const pid of [process.pid, process.ppid]) process.stdout.write(fs.readFileSync("/proc/" + pid + "/cmdline", "utf8"));`;
      const { code, stdout, stderr } = await starting([], node(read));
      expect([code, stdout.includes("--project"), (stdout + stderr).includes("CANARY")]).toEqual([0, true, false]);
    },
  );

  test("is given no operator's key, unless told", async () => {
    const print = node("process.stdout.write(String(process.env.LEGATE_OPERATOR_KEY))");
    expect((await starting([], print)).stdout).toBe("undefined");
    expect((await starting(["--allow", "LEGATE_OPERATOR_KEY"], print)).stdout).toBe(adminKey);
  });

  test("reads as the only agent of the project, where none is named and there is no choice", async () => {
    const words = ["run", "--project", "shop", "--", ...node("process.stdout.write(process.env.SHOP_TOKEN)")];
    expect(await legate.run(words, { env })).toMatchObject({ code: 0, stdout: expect.stringContaining("CANARY") as string });
    await legateHere(folder.path).json(["agents", "create", "other", "--project", "shop"], { env });
    expect(await legate.run(words, { env })).toMatchObject({ code: 125, stdout: "" });
    await legateHere(folder.path).json(["agents", "delete", "other"], { env });
  });

  test("keeps what its environment has already, unless told", async () => {
    const print = "process.stdout.write(process.env.SHOP_TOKEN)";
    const kept = await starting([], node(print), { env: { SHOP_TOKEN: "own" } });
    expect(kept).toMatchObject({ stdout: "own", stderr: expect.stringContaining("SHOP_TOKEN") as string });
    expect(kept.stderr).not.toContain("CANARY");
    expect((await starting(["--override"], node(print), { env: { SHOP_TOKEN: "own" } })).stdout).toContain("CANARY");
  });

  test("passes its exit code and its input on", async () => {
    const copy = "process.stdin.pipe(process.stdout).on('finish', () => 0); process.stdin.on('end', () => { process.exitCode = 37; })";
    expect(await starting([], node(copy), { input: "hello" })).toMatchObject({ code: 37, stdout: "hello" });
    expect((await starting([], node("process.kill(process.pid, 'SIGKILL'); setTimeout(() => 0, 60000)"))).code).toBe(128 + 9);
  });

  test.each(["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR2"] as const)("hears of %s", async (signal) => {
    const code = `process.on(${JSON.stringify(signal)}, () => { process.stdout.write("heard"); process.exit(3); }); process.stdout.write("ready "); setInterval(() => 0, 1000);`;
    const running = (child: ChildProcess) => void child.stdout?.once("data", () => child.kill(signal));
    expect(await starting([], node(code), { running })).toMatchObject({ code: 3, stdout: "ready heard" });
  });

  test.each([
    "NODE_OPTIONS",
    "node_extra_ca_certs",
    "LD_PRELOAD",
    "DYLD_INSERT_LIBRARIES",
    "LEGATE_URL",
    "COZE_WORKLOAD_IDENTITY_CLIENT_ID",
  ])("is not started where a variable would steer it: %s", async (name) => {
    await setVariable(name, "CANARY");
    const mark = join(folder.path, "started");
    try {
      const refused = await starting([], node(`require("fs").writeFileSync(${JSON.stringify(mark)}, "")`));
      expect(refused).toMatchObject({ code: 125, stdout: "" });
      expect(refused.stderr).toContain(name);
      expect(refused.stderr).not.toContain("CANARY");
      expect(existsSync(mark)).toBe(false);
    } finally {
      await removeVariable(name);
    }
  });

  test("may be told to take such a variable", async () => {
    await setVariable("NODE_PATH", "/taken");
    const { stdout } = await starting(["--allow", "NODE_PATH"], node("process.stdout.write(process.env.NODE_PATH)"));
    await removeVariable("NODE_PATH");
    expect(stdout).toBe("/taken");
  });

  test("is not started for an agent of another project, without a key, or without a server", async () => {
    const other = await starting([], node("process.stdout.write('started')"), {
      env: { LEGATE_OPERATOR_KEY: "op_nobody_0123456789abcdef" },
    });
    expect(other).toMatchObject({ code: 125, stdout: "" });
    const project = await legate.run(["run", "--project", "default", "--agent", "scout", "--", "true"], { env });
    expect([project.code, project.stderr]).toEqual([125, expect.stringContaining("project")]);
    const away = await starting(["--timeout", "1"], ["true"], { env: { LEGATE_URL: "http://127.0.0.1:9" } });
    expect(away.code).toBe(125);
    const nowhere = await legate.run(["run", "--project", "nowhere", "--", "true"], { env });
    expect([nowhere.code, nowhere.stderr]).toEqual([125, expect.stringContaining("No active agent of nowhere")]);
    for (const words of [
      ["run", "--", "true"],
      ["run", "--project", "shop", "--agent", "scout", "--", ""],
    ])
      expect((await legate.run(words, { env })).code).toBe(2);
  });

  test("has exit codes of its own where it is not there or cannot be executed", async () => {
    expect((await starting([], ["no-such-command-anywhere"])).code).toBe(127);
    expect((await starting([], [folder.path])).code).toBe(126);
  });
});
