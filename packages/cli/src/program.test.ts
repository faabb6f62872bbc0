import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { describe, expect, test } from "vitest";
import { exitCodes } from "./failure.ts";
import { runHere } from "./world-for-tests.ts";

const env = { LEGATE_URL: "http://127.0.0.1:8700", LEGATE_OPERATOR_KEY: "op_key_of_the_test_0123456789" };
const answering = (status: number, body: unknown) => () => Promise.resolve(new Response(JSON.stringify(body), { status }));
const refusing = (status: number, code: string) => answering(status, { error: { code, message: `It is ${code}.`, requestId: "req_1" } });

describe("the program", () => {
  test("answers its version and its help, and calls a line without a command wrong", async () => {
    expect(await runHere(["--version"])).toMatchObject({ code: 0, stdout: "0.0.0\n" });
    expect(await runHere(["--help"])).toMatchObject({ code: 0, stdout: expect.stringContaining("doctor") as string });
    for (const words of [[], ["agents"], ["nowhere"], ["agents", "nowhere"], ["agents", "get"], ["agents", "get", "a", "b"]])
      expect([words, (await runHere(words)).code]).toEqual([words, 2]);
    expect((await runHere(["agents", "list", "--nonsense"])).stderr).toContain("--nonsense");
  });

  test("tells failures as JSON where JSON was asked for, on standard error alone", async () => {
    const wrong = await runHere(["agents", "list", "--nonsense", "--json"]);
    expect([wrong.code, wrong.stdout]).toEqual([2, ""]);
    expect(JSON.parse(wrong.stderr)).toMatchObject({ error: { code: "usage", exitCode: 2 } });
    const refused = await runHere(["agents", "get", "scout", "--json"], { env, fetch: refusing(404, "agent_unknown") });
    expect([refused.code, refused.stdout]).toEqual([5, ""]);
    expect(JSON.parse(refused.stderr)).toEqual({
      error: { exitCode: 5, code: "agent_unknown", message: "It is agent_unknown.", requestId: "req_1" },
    });
  });

  test.each([
    [400, "invalid_request", "usage"],
    [401, "unauthenticated", "unauthenticated"],
    [403, "forbidden", "forbidden"],
    [404, "agent_unknown", "not_found"],
    [409, "agent_revoked", "conflict"],
    [500, "internal", "failed"],
  ] as const)("ends a %i with its own exit code", async (status, code, ending) => {
    const { code: exit } = await runHere(["agents", "get", "scout"], { env, fetch: refusing(status, code) });
    expect(exit).toBe(exitCodes[ending][0]);
  });

  test("has an exit code for a server that is away, for one that is no Legate, and for one with too much to do", async () => {
    const away = () => Promise.reject(new TypeError("fetch failed"));
    expect((await runHere(["agents", "get", "scout"], { env, fetch: away })).code).toBe(7);
    expect((await runHere(["agents", "get", "scout"], { env, fetch: answering(200, { hello: 1 }) })).code).toBe(7);
    expect((await runHere(["agents", "get", "scout"], { env, fetch: refusing(429, "rate_limited") })).code).toBe(9);
  });

  test("asks nothing where a line does not hold by itself, and says which part is wrong", async () => {
    for (const [words, part] of [
      [["agents", "create", "x"], "<name>"],
      [["agents", "create", "scout", "--owner-email", "nobody"], "--owner-email"],
      [["agents", "update", "scout"], "what is to be changed"],
      [["agents", "update", "scout", "--clear", "name"], "--clear"],
      [["agents", "create", "scout", "--label", "nothing"], "--label"],
      [["agents", "list", "--limit", "0"], "--limit"],
      [["issuers", "create", "corp", "--audience", "us"], "--discovery-url"],
      [["operators", "create", "deploy", "--show"], "--role"],
      [["providers", "create", "github", "--type", "oauth3"], "oauth3"],
    ] as const) {
      const { code, stderr, requests } = await runHere(words, { env });
      expect([words, code, requests]).toEqual([words, 2, []]);
      expect(stderr).toContain(part);
    }
  });

  test("shows with --dry-run the request without its secrets, and makes none", async () => {
    const words = ["providers", "create", "github", "--type", "oauth2", "--client-id", "us", "--client-secret-env", "SECRET", "--dry-run"];
    const { code, stdout, requests } = await runHere([...words, "--json"], { env: { ...env, SECRET: "CANARY" } });
    expect([code, requests]).toEqual([0, []]);
    expect(JSON.parse(stdout)).toEqual({
      dryRun: true,
      requests: [
        {
          method: "POST",
          url: "http://127.0.0.1:8700/v1/credential-providers",
          body: { name: "github", type: "oauth2", clientId: "us", clientSecret: "(secret)" },
        },
      ],
    });
  });

  test("makes nothing whose secret nobody would get", async () => {
    const { code, stderr, requests } = await runHere(["keys", "create", "scout"], { env });
    expect([code, requests]).toEqual([2, []]);
    expect(stderr).toContain("--show");
  });

  test("writes a secret to standard output alone, and everything else beside it", async () => {
    const fetch = answering(201, { id: "key_1", apiKey: "sk_CANARY" });
    const shown = await runHere(["keys", "create", "scout", "--show"], { env, fetch });
    expect(shown.stdout).toBe("sk_CANARY\n");
    expect(shown.stderr).toContain("id: key_1");
    expect(shown.stderr).toContain("warning:");
    expect(shown.stderr).not.toContain("CANARY");
  });

  test("asks a person for a secret that is missing, and nobody where nobody sits there", async () => {
    const fetch = answering(200, {
      name: "A",
      version: 1,
      createdAt: "2026-11-21T10:00:00.000Z",
      updatedAt: "2026-11-21T10:00:00.000Z",
    });
    const words = ["projects", "variables", "set", "shop", "A"];
    const typed = await runHere(words, { env, terminal: { columns: 80 }, types: ["CANARY"], fetch });
    expect([typed.code, typed.asked.length]).toEqual([0, 1]);
    expect(typed.requests[0]?.init?.body).toBe('{"value":"CANARY"}');
    expect(typed.stdout + typed.stderr).not.toContain("CANARY");
    expect(await runHere(words, { env })).toMatchObject({ code: 2, asked: [] });
    expect((await runHere([...words, "--value-file", "-"], { env, stdin: "piped\n", fetch })).requests[0]?.init?.body).toBe(
      '{"value":"piped"}',
    );
  });

  test("colours and cuts only on a terminal that wants it, and never cuts a name or an id", async () => {
    const item = {
      id: "agt_0123456789abcdef0123456789abcdef",
      name: "a-name-that-is-rather-long-for-a-table",
      title: "A title that goes on and on \u001b[31mand on",
      status: "active",
      origin: "operator",
      permissions: [],
      allowedReturnUrls: [],
      assertedUsers: true,
      project: "default",
      labels: {},
      createdAt: "2026-11-21T10:00:00.000Z",
      updatedAt: "2026-11-21T10:00:00.000Z",
    };
    const fetch = answering(200, { items: [item] });
    const narrow = await runHere(["agents", "list"], { env, terminal: { columns: 60 }, fetch });
    expect(narrow.stdout).toContain("\u001b[1mname");
    expect(narrow.stdout).toContain(item.id);
    expect(narrow.stdout).toContain(item.name);
    expect(narrow.stdout).toContain("A title…");
    for (const more of [{ env: { ...env, NO_COLOR: "1" } }, { env: { ...env, TERM: "dumb" } }])
      expect((await runHere(["agents", "list"], { ...more, terminal: { columns: 60 }, fetch })).stdout).not.toContain("\u001b");
    expect((await runHere(["agents", "list", "--no-color"], { env, terminal: { columns: 60 }, fetch })).stdout).not.toContain("\u001b");
    const piped = await runHere(["agents", "list"], { env, fetch });
    expect(piped.stdout.split("\t").slice(0, 2)).toEqual([item.name, item.id]);
    // What a title holds does not steer the terminal.
    expect(piped.stdout).toContain("\\u{1b}[31mand on");
  });

  test("lists page by page up to what was asked for, and says where to go on", async () => {
    const pages = [
      { items: [{ name: "a" }, { name: "b" }], nextCursor: "two" },
      { items: [{ name: "c" }], nextCursor: "three" },
    ];
    const agent = (name: string) => ({
      id: `agt_${name}`,
      name,
      status: "active",
      origin: "operator",
      permissions: [],
      allowedReturnUrls: [],
      assertedUsers: true,
      project: "default",
      labels: {},
      createdAt: "2026-11-21T10:00:00.000Z",
      updatedAt: "2026-11-21T10:00:00.000Z",
    });
    const fetch = () => {
      const page = pages.shift();
      return Promise.resolve(Response.json({ ...page, items: page?.items.map(({ name }) => agent(name)) }));
    };
    const { stdout, requests } = await runHere(["agents", "list", "--limit", "3", "--json"], { env, fetch });
    const { items, nextCursor } = JSON.parse(stdout) as { items: { name: string }[]; nextCursor: string };
    expect([items.map(({ name }) => name), nextCursor]).toEqual([["a", "b", "c"], "three"]);
    expect(requests.map(({ url }) => new URL(url).search)).toEqual(["?limit=3", "?limit=1&cursor=two"]);
  });
});

describe("what a newcomer types", () => {
  test("finds the help of a command by either word order, and no help for what is not there", async () => {
    const { code, stdout } = await runHere(["help", "agents", "create"]);
    expect([code, stdout]).toEqual([0, (await runHere(["agents", "create", "--help"])).stdout]);
    expect((await runHere(["help", "agents"])).stdout).toContain("legate agents [options] [command]");
    expect(await runHere(["help", "agents", "nowhere"])).toMatchObject({ code: 2, stdout: "" });
  });

  test("is told what is missing by the words of the help", async () => {
    const wrong = async (...words: string[]) => (await runHere(words, { env })).stderr;
    expect(await wrong("providers", "create", "weather")).toBe("error: --type: is missing\n");
    expect(await wrong("providers", "create", "weather", "--type", "api_key")).toBe("error: --api-key-file or --api-key-env: is missing\n");
    expect(await wrong("agents", "get", "a b")).toContain("<agent>: ");
    expect(await wrong("keys", "list", "a b")).toContain("<agent>: ");
  });

  test("is JSON on standard error wherever it is asked for: notes, warnings and what is no command", async () => {
    const lines = async (words: readonly string[], fetch?: typeof globalThis.fetch) => {
      const { stderr } = await runHere([...words, "--json"], { env, ...(fetch && { fetch }) });
      return stderr
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown);
    };
    expect(await lines(["agents"])).toMatchObject([{ error: { code: "usage", message: expect.stringContaining("--help") as string } }]);
    expect(await lines(["agents", "delete", "scout", "--if-exists"], refusing(404, "agent_unknown"))).toEqual([{ note: "There is none." }]);
    expect(await lines(["keys", "create", "scout", "--show"], answering(201, { id: "key_1", apiKey: "sk_CANARY" }))).toMatchObject([
      { warning: expect.stringContaining("only time") as string },
    ]);
    expect(await lines(["audit", "verify", "/nowhere/at/all"])).toMatchObject([{ error: { code: "usage", exitCode: 2 } }]);
  });
});

describe("a secret", () => {
  test("that is no text is refused, and not stored as another one", async () => {
    const stdin = Object.assign(Readable.from([Buffer.from([0x61, 0xff, 0xfe])]), { isTTY: false });
    const words = ["projects", "variables", "set", "shop", "A", "--value-file", "-"];
    expect(await runHere(words, { env, more: { stdin } })).toMatchObject({
      code: 2,
      requests: [],
      stderr: expect.stringContaining("UTF-8") as string,
    });
  });

  test("is not left alone with a private key: none is shown, and none leaves this machine", async () => {
    const jwk = JSON.stringify({ jwk: { kty: "OKP", crv: "Ed25519", x: "public", d: "CANARY" } });
    for (const more of [[], ["--dry-run"]]) {
      const { code, stdout, stderr, requests } = await runHere(["client-keys", "create", "scout", "--body-file", "-", ...more], {
        env,
        stdin: jwk,
      });
      expect([code, requests, (stdout + stderr).includes("CANARY")]).toEqual([2, [], false]);
    }
  });

  test("that was made and could not be written is told with what it belongs to", async () => {
    const stdout = Object.assign(
      new Writable({ write: (_chunk, _encoding, done) => done(Object.assign(new Error("gone"), { code: "EPIPE" })) }),
      {},
    );
    stdout.on("error", () => undefined);
    const fetch = answering(201, { id: "key_1", apiKey: "sk_CANARY" });
    const { code, stderr } = await runHere(["keys", "create", "scout", "--show"], { env, fetch, more: { stdout } });
    expect([code, stderr.includes("CANARY")]).toEqual([1, false]);
    expect(stderr).toContain("What was made, key_1, has a secret that could not be written");
  });

  test("has standard output to itself: a key that is there already is told beside it", async () => {
    const fetch = answering(200, { items: [{ id: "key_1", hint: "sk_0b7c", createdAt: "2026-11-21T10:00:00.000Z" }] });
    const there = await runHere(["keys", "create", "scout", "--if-none", "--show"], { env, fetch });
    expect(there).toMatchObject({ code: 0, stdout: "", stderr: expect.stringContaining("id: key_1") as string });
  });
});

describe("an export", () => {
  test("leaves nothing behind where it cannot be written, or was refused as other commands are", async () => {
    const fetch = () => Promise.resolve(new Response("{}"));
    const away = await runHere(["audit", "export", "--output", "/nowhere/at/all"], { env, fetch });
    expect(away).toMatchObject({
      code: 2,
      requests: [],
      stderr: expect.stringContaining("/nowhere/at/all cannot be written (ENOENT)") as string,
    });
    const folder = mkdtempSync(join(tmpdir(), "legate-cli-"));
    try {
      const words = ["audit", "export", "--output", join(folder, "audit.jsonl"), "--json"];
      const refused = await runHere(words, { env, fetch: refusing(403, "forbidden") });
      expect([refused.code, JSON.parse(refused.stderr)]).toEqual([
        4,
        { error: { exitCode: 4, code: "forbidden", message: "It is forbidden.", requestId: "req_1" } },
      ]);
      expect((await runHere(words, { env, fetch: answering(502, "a page") })).code).toBe(7);
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("whom a command asks", () => {
  test("the key that whoami names, where there are two", async () => {
    const two = { ...env, LEGATE_AGENT_KEY: `sk_${"0b".repeat(32)}` };
    const { requests } = await runHere(["whoami"], { env: two, fetch: refusing(401, "unauthenticated") });
    expect(requests[0]?.init?.headers).toMatchObject({ authorization: `Bearer ${env.LEGATE_OPERATOR_KEY}` });
  });

  test("nobody, where it is not known where the server is or what to show it", async () => {
    expect(await runHere(["agents", "list"])).toMatchObject({ code: 3, requests: [] });
    expect(await runHere(["agents", "list"], { env: { LEGATE_URL: "http://127.0.0.1:8700" } })).toMatchObject({ code: 3, requests: [] });
    expect(await runHere(["agents", "list", "--endpoint", "ftp://x"], { env })).toMatchObject({ code: 2, requests: [] });
  });
});
