import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { changeProfiles, type Profiles, readProfiles } from "./config-file.ts";
import { runHere } from "./world-for-tests.ts";

let folder: string;
let path: string;
let warned: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "legate-cli-"));
  path = join(folder, "legate", "config.json");
  warned = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const guests = {
  platform: "linux" as const,
  clock: Date.now,
  sleep: (ms: number) => new Promise<void>((later) => setTimeout(later, Math.min(ms, 5))),
};
const one: Profiles = {
  current: "default",
  profiles: { default: { endpoint: "https://legate.example.com", key: "op_CANARY_0123456789" } },
};
const store = (profiles: Profiles) => changeProfiles(path, guests, () => profiles);
const read = () => readProfiles(path, "linux", (text) => void warned.push(text));

describe("the stored keys", () => {
  test("stand in a file and a folder that only their owner can read", async () => {
    await store(one);
    expect((statSync(path).mode & 0o777).toString(8)).toBe("600");
    expect((statSync(dirname(path)).mode & 0o777).toString(8)).toBe("700");
    expect(read()).toEqual(one);
    expect(readdirSync(dirname(path))).toEqual(["config.json"]);
  });

  test.each([0o644, 0o640, 0o620, 0o606])("are not read where others can get at them: mode %o", async (mode) => {
    await store(one);
    chmodSync(path, mode);
    expect(read().profiles).toEqual({});
    expect(warned.join()).toContain("chmod 600");
    expect(warned.join()).not.toContain("CANARY");
  });

  test("are not lost either where others can get at them: nothing is changed then", async () => {
    await store(one);
    chmodSync(path, 0o644);
    const stored = readFileSync(path, "utf8");
    const words = ["login", "--endpoint", "http://127.0.0.1:8700", "--profile", "other", "--key-env", "KEY", "--unverified"];
    const { code, stderr } = await runHere(words, { env: { XDG_CONFIG_HOME: folder, KEY: "op_other_0123456789" } });
    expect([code, stderr]).toEqual([1, expect.stringContaining(`chmod 600 ${path}`)]);
    expect(stderr).not.toContain("CANARY");
    expect([readFileSync(path, "utf8"), readdirSync(dirname(path))]).toEqual([stored, ["config.json"]]);
  });

  test("that cannot be read or written are said to be so in a sentence", async () => {
    mkdirSync(path, { recursive: true });
    expect(read).toThrow(`${path} cannot be read (EISDIR).`);
    writeFileSync(join(folder, "file"), "");
    const inFile = join(folder, "file", "config.json");
    await expect(changeProfiles(inFile, guests, () => one)).rejects.toThrow(`${inFile} cannot be written (E`);
  });

  test("do not matter, be they broken, where the environment says everything", async () => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, "{", { mode: 0o600 });
    const fetch = () => Promise.resolve(Response.json({ items: [] }));
    const env = { XDG_CONFIG_HOME: folder, LEGATE_URL: "http://127.0.0.1:8700", LEGATE_OPERATOR_KEY: "op_environment_0123456789" };
    expect(await runHere(["agents", "list"], { env, fetch })).toMatchObject({ code: 0, stderr: "" });
    expect((await runHere(["agents", "list"], { env: { ...env, LEGATE_OPERATOR_KEY: "" }, fetch })).code).toBe(1);
  });

  test("are lost to none of several that write at the same time", async () => {
    const names = Array.from({ length: 8 }, (_, at) => `p${at}`);
    const add = (name: string) =>
      changeProfiles(path, guests, ({ profiles }) => ({
        current: name,
        profiles: { ...profiles, [name]: { endpoint: "http://x", key: "k" } },
      }));
    await Promise.all(names.map(add));
    expect(Object.keys(read().profiles).sort()).toEqual(names);
  });

  test("stay as they were where a change fails, and a lock that was left behind is taken over", async () => {
    await store(one);
    await expect(
      changeProfiles(path, guests, () => {
        throw new Error("no");
      }),
    ).rejects.toThrow("no");
    expect(readdirSync(dirname(path))).toEqual(["config.json"]);
    writeFileSync(`${path}.lock`, "");
    utimesSync(`${path}.lock`, 1, 1);
    await store({ ...one, current: "other" });
    expect(read().current).toBe("other");
  });

  test.each([
    "",
    "{",
    "[]",
    '{"current":1}',
    '{"current":"a","profiles":{"a":{"key":"op_CANARY"}}}',
    '{"current":"a","profiles":{"a b":{"endpoint":"x","key":"k"}}}',
  ])("that are broken are said to be so, without quoting them: %s", (text) => {
    writeFileSync(join(folder, "broken"), text, { mode: 0o600 });
    const reading = () => readProfiles(join(folder, "broken"), "linux", () => undefined);
    expect(reading).toThrow(/legate login/);
    expect(reading).not.toThrow(/CANARY/);
  });
});

describe("which key goes where", () => {
  const env = () => ({ XDG_CONFIG_HOME: folder });
  const items = () => Promise.resolve(Response.json({ items: [] }));
  const bearerOf = ({ requests }: Awaited<ReturnType<typeof runHere>>) =>
    requests.map(({ url, init }) => [new URL(url).origin, (init?.headers as Record<string, string> | undefined)?.["authorization"]]);

  test("a profile's key goes to the profile's own server and to no other", async () => {
    await store(one);
    expect(bearerOf(await runHere(["agents", "list"], { env: env(), fetch: items }))).toEqual([
      ["https://legate.example.com", "Bearer op_CANARY_0123456789"],
    ]);
    for (const more of [
      { words: ["--endpoint", "https://other.example"], env: {} },
      { words: [], env: { LEGATE_URL: "https://other.example" } },
    ])
      expect(await runHere(["agents", "list", ...more.words], { env: { ...env(), ...more.env } })).toMatchObject({ code: 3, requests: [] });
    const same = await runHere(["agents", "list", "--endpoint", "https://legate.example.com/"], { env: env(), fetch: items });
    expect(bearerOf(same)).toHaveLength(1);
  });

  test("the environment's key wins over the current profile, and a profile that is named over the environment", async () => {
    await store(one);
    const environment = { ...env(), LEGATE_URL: "https://env.example", LEGATE_OPERATOR_KEY: "op_environment_0123456789" };
    expect(bearerOf(await runHere(["agents", "list"], { env: environment, fetch: items }))).toEqual([
      ["https://env.example", "Bearer op_environment_0123456789"],
    ]);
    expect(bearerOf(await runHere(["agents", "list", "--profile", "default"], { env: environment, fetch: items }))).toEqual([
      ["https://legate.example.com", "Bearer op_CANARY_0123456789"],
    ]);
  });

  test("a profile that is named and not there is missed, whoever names it", async () => {
    await store(one);
    for (const more of [
      { words: ["--profile", "staging"], env: {} },
      { words: [], env: { LEGATE_PROFILE: "staging" } },
    ]) {
      const { code, stderr } = await runHere(["agents", "list", ...more.words], { env: { ...env(), ...more.env } });
      expect([code, stderr]).toEqual([3, expect.stringContaining("There is no profile staging.")]);
    }
  });

  test("a key is never written anywhere but into its file", async () => {
    await store(one);
    for (const words of [
      ["profiles", "list"],
      ["profiles", "list", "--json"],
      ["logout", "--dry-run"],
      ["login", "--dry-run"],
    ]) {
      const { code, stdout, stderr } = await runHere(words, { env: env() });
      expect([words, code, stdout.includes("CANARY"), stderr.includes("CANARY")]).toEqual([words, 0, false, false]);
    }
    expect(readFileSync(path, "utf8")).toContain("CANARY");
  });
});
