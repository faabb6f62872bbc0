import { generateKeyPairSync } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commands } from "../../packages/cli/src/commands/index.ts";
import { runHere } from "../../packages/cli/src/world-for-tests.ts";
import { startTestIssuer, type TestIssuer } from "../../packages/server/src/testing/openid.ts";
import { adminKey, type Legate, legateHere, legateProcess, openLegateServer, temporary } from "./legate.ts";

const folder = temporary();
let server: Awaited<ReturnType<typeof openLegateServer>>;
let issuer: TestIssuer;
let legate: Legate;
/** Lines that changed something, to be run again with `--dry-run`. */
const changing: (readonly string[])[] = [];
const ran = new Set<string>();

const commandOf = (words: readonly string[]) =>
  commands
    .filter(({ path }) => path.every((word, at) => words[at] === word))
    .toSorted((one, other) => other.path.length - one.path.length)[0];

type Item = Readonly<Record<string, unknown>>;

/** Runs a line for its JSON, and remembers it. */
const run = async <T = Item>(line: string, more: readonly string[] = [], how: Parameters<Legate["run"]>[1] = {}): Promise<T> => {
  const words = [...line.split(" "), ...more];
  const command = commandOf(words);
  ran.add(command?.path.join(" ") ?? "");
  if (command?.changes) changing.push(words);
  return legate.json<T>(words, how);
};
const list = async (line: string): Promise<readonly Item[]> => (await run<{ items: Item[] }>(line)).items;
const codeOf = async (line: string, how?: Parameters<Legate["run"]>[1]): Promise<number> => (await legate.run(line.split(" "), how)).code;

beforeAll(async () => {
  server = await openLegateServer(folder.path);
  issuer = await startTestIssuer();
  legate = legateHere(folder.path);
});
afterAll(async () => {
  await server.close();
  await issuer.stop();
  folder.remove();
});

describe("the command line against a server", () => {
  test("stores a key that the server knows, and no other", async () => {
    const words = ["login", "--endpoint", server.address, "--key-file", "-"];
    expect(await legate.run(words, { input: "op_of_nobody_0123456789abcdef\n" })).toMatchObject({ code: 3, stdout: "" });
    expect(await codeOf("whoami")).toBe(3);
    const made = await run<{ file: string; caller: Item }>(`login --endpoint ${server.address} --key-file -`, [], {
      input: `${adminKey}\n`,
    });
    expect(made.caller).toMatchObject({ kind: "operator", role: "admin" });
    expect((statSync(made.file).mode & 0o777).toString(8)).toBe("600");
    expect(await run("whoami")).toMatchObject({ endpoint: server.address, key: "profile default", tenant: "default" });
    expect(await legateProcess(folder.path).json(["whoami"])).toMatchObject({ endpoint: server.address, key: "profile default" });
    await run(`login --endpoint ${server.address} --profile other --key-env KEY`, [], { env: { KEY: adminKey } });
    expect(await list("profiles list")).toMatchObject([{ name: "default" }, { name: "other", current: true }]);
    expect(await run("profiles use default")).toEqual({ current: "default" });
    expect(await run("logout --profile other")).toEqual({ forgotten: ["other"] });
    expect(await run("logout --profile other")).toEqual({ forgotten: [] });
  });

  test("runs an agent's life, and every line of it twice", async () => {
    const made = await run("agents create scout --title", [
      "A scout",
      "--label",
      "team=a",
      "--permission",
      "mail:inbox:read",
      "--no-asserted-users",
    ]);
    expect(made).toMatchObject({ name: "scout", title: "A scout", labels: { team: "a" }, assertedUsers: false });
    expect(await codeOf("agents create scout")).toBe(6);
    expect(await run("agents create scout --if-not-exists")).toEqual(made);
    const other = await legate.run(["agents", "create", "scout", "--if-not-exists", "--title", "Another"]);
    expect(other).toMatchObject({ code: 0, stderr: expect.stringContaining("other values of title") as string });
    expect(await run("agents update scout --asserted-users --clear title --clear label")).toMatchObject({
      assertedUsers: true,
      labels: {},
    });
    expect(await run("agents get scout")).not.toHaveProperty("title");
    expect((await list("agents list")).map(({ name }) => name)).toEqual(["scout"]);
    for (let times = 0; times < 2; times += 1) {
      expect(await run("agents suspend scout")).toMatchObject({ status: "suspended" });
    }
    expect(await run("agents resume scout")).toMatchObject({ status: "active" });
    expect(await run("agents impact scout")).toMatchObject({ workloadTokens: "minted_before" });
    await run("agents create gone");
    for (let times = 0; times < 2; times += 1) expect(await run("agents revoke gone")).toMatchObject({ status: "revoked" });
    expect(await run("agents delete gone")).toEqual({ name: "gone", deleted: true });
    expect(await codeOf("agents delete gone")).toBe(5);
    expect(await run("agents delete gone --if-exists")).toEqual({ name: "gone", deleted: false });
  });

  test("makes keys, and gives each once to whom it is to be given", async () => {
    const key = await run<{ id: string; apiKey: string }>("keys create scout --show --description laptop");
    expect(key.apiKey).toMatch(/^sk_/);
    const again = await run("keys create scout --if-none --show");
    expect(again).toMatchObject({ id: key.id, description: "laptop" });
    expect(again).not.toHaveProperty("apiKey");
    const path = join(folder.path, "scout.key");
    const kept = await legate.json(["keys", "create", "scout", "--secret-file", path]);
    expect(Object.keys(kept)).toEqual(["id"]);
    expect([readFileSync(path, "utf8"), (statSync(path).mode & 0o777).toString(8)]).toEqual([
      expect.stringMatching(/^sk_[0-9a-f]{64}\n$/),
      "600",
    ]);
    // What is there is not written over, and then no key is made.
    const before = await list("keys list scout");
    expect(await codeOf(`keys create scout --secret-file ${path}`)).toBe(2);
    expect(await list("keys list scout")).toEqual(before);
    // A file that was made for a key that was not is gone again.
    expect(await codeOf(`keys create nobody --secret-file ${join(folder.path, "fresh.key")}`)).toBe(5);
    expect(existsSync(join(folder.path, "fresh.key"))).toBe(false);
    expect(await run(`keys delete scout ${String(kept["id"])}`)).toMatchObject({ deleted: true });
    const asAgent = await legate.json<Item>(["whoami"], { env: { LEGATE_URL: server.address, LEGATE_AGENT_KEY: key.apiKey } });
    expect(asAgent).toMatchObject({ key: "LEGATE_AGENT_KEY", agent: { name: "scout" } });

    const secret = await run("client-secrets create scout --show");
    expect((await list("client-secrets list scout")).map(({ id }) => id)).toEqual([secret["id"]]);
    await run(`client-secrets delete scout ${String(secret["id"])}`);
    const jwk = join(folder.path, "jwk.json");
    writeFileSync(jwk, JSON.stringify(generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" })));
    const { id } = await run(`client-keys create scout --jwk-file ${jwk}`);
    expect(await list("client-keys list scout")).toMatchObject([{ id }]);
    await run(`client-keys delete scout ${String(id)}`);
    const access = await run("access-keys create --rights-agent scout --show");
    expect(await run(`access-keys get ${String(access["accessKeyId"])}`)).toMatchObject({ rights: { agent: "scout" } });
    expect(await list("access-keys list --agent scout")).toHaveLength(1);
    await run(`access-keys delete ${String(access["accessKeyId"])}`);
  });

  test("gets workload tokens, and manages the users they were for", async () => {
    const { token, user } = await run<{ token: string; user: { id: string } }>("token --agent scout --user-id alice");
    const plain = await legate.run(["token", "--agent", "scout", "--user-id", "alice"]);
    expect(plain.stdout).toBe(`${token}\n`);
    expect(await codeOf("token")).toBe(2);
    expect((await list("users list")).map(({ id }) => id)).toEqual([user.id]);
    expect(await run(`users get ${user.id}`)).toMatchObject({ subject: "alice" });
    expect(await run(`users suspend ${user.id}`)).toMatchObject({ status: "suspended" });
    expect(await codeOf("token --agent scout --user-id alice")).toBe(4);
    expect(await run(`users resume ${user.id}`)).toMatchObject({ status: "active" });
    await run(`users impact ${user.id}`);
    for (let times = 0; times < 2; times += 1) expect(await run(`users revoke ${user.id}`)).toMatchObject({ status: "revoked" });
  });

  test("manages what gives credentials, and shows none", async () => {
    const env = { SECRET: "CANARY-of-the-provider" };
    const weather = await run("providers create weather --type api_key --api-key-env SECRET --if-not-exists", [], { env });
    expect(weather).toMatchObject({ name: "weather", type: "api_key" });
    await run("providers create weather --type api_key --api-key-env SECRET --if-not-exists", [], { env });
    const mail = [
      "--authorization-endpoint",
      `${issuer.url}/authorize`,
      "--token-endpoint",
      `${issuer.url}/token`,
      "--scope",
      "read",
      "--scope",
      "send",
    ];
    await run("providers create mail --type oauth2 --client-id us --client-secret-file -", mail, { input: "CANARY-of-the-client\n" });
    expect(await run("providers update mail --scope read --flow M2M")).toMatchObject({ scopes: ["read"], flows: ["M2M"] });
    expect(await run("providers get mail")).toMatchObject({ clientId: "us" });
    expect(await list("providers list")).toHaveLength(2);
    expect(await run("providers suspend mail")).toMatchObject({ status: "suspended" });
    expect(await run("providers resume mail")).toMatchObject({ status: "active" });
    await run("providers impact mail");
    expect(JSON.stringify(await list("providers list"))).not.toContain("CANARY");
    expect(await run("providers delete mail --if-exists")).toMatchObject({ deleted: true });
    expect(await list("vaults list")).toMatchObject([{ name: "default" }]);
    await run("vaults get default");
    expect(await codeOf("vaults delete default")).toBe(6);
    expect(await run("vaults delete nowhere --if-exists")).toMatchObject({ deleted: false });
    expect(await list("connections list --agent scout")).toEqual([]);
    expect(await codeOf("connections get con_none")).toBe(5);
    expect(await codeOf("connections impact con_none")).toBe(5);
    expect(await run("connections delete con_none --if-exists")).toMatchObject({ deleted: false });
    expect(await list("grants list")).toEqual([]);
    expect(await codeOf("grants get gnt_none")).toBe(5);
    expect(await run("grants delete gnt_none --if-exists")).toMatchObject({ deleted: false });
    for (const each of ["connections get", "connections impact", "grants get"]) ran.add(each);
  });

  test("manages issuers, clients, resources and roles", async () => {
    const login = ["--login-client-id", "us", "--login-client-auth", "none"];
    const made = await run(`issuers create corp --discovery-url ${issuer.url} --audience us --if-not-exists`, login);
    expect(made).toMatchObject({ name: "corp", login: { clientId: "us" } });
    await run(`issuers create corp --discovery-url ${issuer.url} --audience us --if-not-exists`, login);
    expect(await run("issuers update corp --audience us --audience them --clear login")).not.toHaveProperty("login");
    expect(await run("issuers get corp")).toMatchObject({ audiences: ["us", "them"] });
    expect(await list("issuers list")).toHaveLength(1);
    await run("issuers impact corp");
    await run("issuers delete corp");
    await run("clients create console --redirect-uri https://app.example.com/back --if-not-exists");
    expect(await run("clients update console --title Console")).toMatchObject({ title: "Console" });
    expect(await run("clients suspend console")).toMatchObject({ status: "suspended" });
    expect(await run("clients resume console")).toMatchObject({ status: "active" });
    await run("clients get console");
    expect(await list("clients list")).toHaveLength(1);
    await run("clients delete console");
    await run("resources create mail --identifier https://mail.example.com/ --scope read --if-not-exists");
    expect(await run("resources update mail --scope read --scope send")).toMatchObject({ scopes: [{ name: "read" }, { name: "send" }] });
    await run("resources get mail");
    expect(await list("resources list")).toHaveLength(1);
    await run("resources delete mail");
    const policy = join(folder.path, "policy.json");
    const document = { Version: "1", Statement: [{ Effect: "Allow", Action: ["agentidentitydata:GetResourceAPIKey"], Resource: ["*"] }] };
    writeFileSync(policy, JSON.stringify(document));
    expect(await run(`roles create reader --agent scout --permission-policy-file ${policy} --if-not-exists`)).toMatchObject({
      agents: ["scout"],
      permissionPolicy: document,
    });
    const cloud = ["--cloud-provider", "aws", "--cloud-role-arn", "arn:aws:iam::123456789012:role/reader"];
    expect(await legate.json(["roles", "create", "abroad", ...cloud])).toMatchObject({ cloud: { provider: "aws" } });
    expect(await run("roles update reader --description", ["Reads"])).toMatchObject({ description: "Reads" });
    await run("roles get reader");
    expect(await list("roles list")).toHaveLength(2);
    await run("roles delete reader");
  });

  test("manages projects, and what their agents read", async () => {
    await run("projects set shop --description", ["The shop", "--agent", "scout", "--lane", "ppe_1=scout", "--lane", "closed="]);
    expect(await run("projects get shop")).toMatchObject({ agents: ["scout"], lanes: { ppe_1: ["scout"], closed: [] } });
    await run("projects variables set shop TOKEN --value-env SECRET", [], { env: { SECRET: "CANARY it's $5\nand more" } });
    const file = join(folder.path, "shop.env");
    writeFileSync(file, "A=1\nB='x y'\n");
    expect(await run(`projects variables import shop ${file}`)).toMatchObject({ made: 2 });
    expect(await run(`projects variables import shop ${file}`)).toMatchObject({ made: 0, unchanged: 2 });
    expect((await list("projects variables list shop")).map(({ name }) => name)).toEqual(["A", "B", "TOKEN"]);
    expect(await run("projects variables get shop TOKEN")).not.toHaveProperty("value");
    // Only an agent of the project reads.
    expect(await codeOf("projects variables export shop --agent scout --show")).toBe(5);
    await legate.json(["agents", "update", "scout", "--project", "shop"]);
    const out = join(folder.path, "out.env");
    await run(`projects variables export shop --agent scout --output ${out}`);
    expect((statSync(out).mode & 0o777).toString(8)).toBe("600");
    expect(await run(`projects variables import shop ${out} --replace`)).toEqual({ made: 0, changed: 0, unchanged: 3, removed: 0 });
    expect(await codeOf(`projects variables export shop --agent scout --output ${out}`)).toBe(2);
    expect(await codeOf("projects variables export shop --agent scout")).toBe(2);
    expect((await legate.run(["projects", "variables", "export", "shop", "--agent", "scout", "--show"])).stdout).toBe(
      readFileSync(out, "utf8"),
    );
    await run("projects integrations set shop maps --credential-env SECRET", [], { env: { SECRET: "CANARY" } });
    expect(await run("projects integrations get shop maps")).not.toHaveProperty("credential");
    expect(await list("projects integrations list shop")).toHaveLength(1);
    await run("projects integrations delete shop maps");
    await run("projects variables delete shop B");
    expect(await run("projects variables delete shop B --if-exists")).toMatchObject({ deleted: false });
    await run("projects set empty");
    expect(await list("projects list")).toHaveLength(3);
    await run("projects delete empty");
  });

  test("manages operators, tenants and the installation's keys", async () => {
    const { id } = await run("operators create night-shift --role operator --show");
    expect(await run("operators create night-shift --role operator --show --if-not-exists")).toMatchObject({ id, name: "night-shift" });
    // The file of the first run is in nobody's way, and standard output stays the secret's alone.
    const file = join(folder.path, "deploy.key");
    const again = ["operators", "create", "deploy", "--role", "operator", "--if-not-exists"];
    for (let times = 0; times < 2; times += 1) expect(await legate.run([...again, "--secret-file", file])).toMatchObject({ code: 0 });
    expect(readFileSync(file, "utf8")).toMatch(/^op_\S+\n$/);
    expect(await legate.run([...again, "--show"])).toMatchObject({ code: 0, stdout: "" });
    await run("operators delete", [(await legate.json<{ id: string }>(again.with(2, "deploy"))).id]);
    expect(await run(`operators update ${String(id)} --role auditor`)).toMatchObject({ role: "auditor" });
    await run(`operators get ${String(id)}`);
    const { key } = await run(`operators rotate-key ${String(id)} --show`);
    expect(await list("operators list")).toHaveLength(2);
    const auditor = { env: { LEGATE_URL: server.address, LEGATE_OPERATOR_KEY: String(key) } };
    expect(await codeOf("agents list", auditor)).toBe(0);
    expect(await codeOf("agents suspend scout", auditor)).toBe(4);
    await run(`operators delete ${String(id)}`);
    expect(await codeOf("agents list", auditor)).toBe(3);
    await run("tenants create acme --show");
    await run("tenants create acme --show --if-not-exists");
    expect(await run("tenants suspend acme")).toMatchObject({ status: "suspended" });
    expect(await run("tenants resume acme")).toMatchObject({ status: "active" });
    await run("tenants get acme");
    expect(await list("tenants list")).toHaveLength(2);
    await run("tenants delete acme");
    const [signing] = await list("signing-keys list");
    expect(signing).toMatchObject({ alg: "ES256" });
    const rotated = await run("signing-keys rotate");
    await run(`signing-keys revoke ${String(rotated["id"])}`);
    expect(await run("data-keys rotate")).toMatchObject({ seals: true });
    expect((await list("data-keys list")).length).toBeGreaterThan(1);
    expect(await run("master-key get")).toHaveProperty("id");
    await run("peppers rotate");
    expect((await list("peppers list")).length).toBeGreaterThan(1);
  });

  test("shows, exports and proves what happened", async () => {
    const tail = await legate.run(["audit", "tail", "--action", "agent.*", "-n", "3", "--json"]);
    const events = tail.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { at: string; action: string });
    expect(events).toHaveLength(3);
    expect(events.map(({ at }) => at)).toEqual(events.map(({ at }) => at).toSorted());
    for (const { action } of events) expect(action).toMatch(/^agent\./);
    const byName = await legate.run(["audit", "tail", "--agent", "scout", "-n", "1"]);
    expect([byName.code, byName.stdout.split("\n").length]).toEqual([0, 2]);
    const path = join(folder.path, "audit.jsonl");
    expect(await run(`audit export --output ${path}`)).toMatchObject({ file: path, bytes: statSync(path).size });
    expect(await run<{ ok: boolean }>(`audit verify ${path}`)).toMatchObject({ ok: true });
    writeFileSync(path, readFileSync(path, "utf8").replace("agent.created", "agent.creatod"));
    expect(await codeOf(`audit verify ${path}`)).toBe(1);
    expect(await codeOf(`audit verify ${join(folder.path, "nothing")}`)).toBe(2);
    ran.add("audit tail");
  });

  test("follows what happens until it is interrupted, telling each event once", async () => {
    const seen: string[] = [];
    const following = legateProcess(folder.path).run(
      ["audit", "tail", "--follow", "--interval", "0.1", "-n", "1", "--action", "agent.*", "--json"],
      {
        running: (child) => {
          let begun = false;
          child.stdout?.on("data", (text: string) => {
            seen.push(...text.trimEnd().split("\n"));
            if (!begun) {
              begun = true;
              void (async () => {
                for (const name of ["watched-1", "watched-2"]) await legate.json(["agents", "create", name]);
              })();
            }
            if (seen.length >= 3) child.kill("SIGINT");
          });
        },
      },
    );
    expect((await following).code).toBe(130);
    const events = seen.map((line) => JSON.parse(line) as { id: string; action: string });
    expect(new Set(events.map(({ id }) => id)).size).toBe(3);
    expect(events.slice(1).map(({ action }) => action)).toEqual(["agent.created", "agent.created"]);
  });

  test("says with --dry-run what would be asked, and asks none of it", async () => {
    const env = {
      XDG_CONFIG_HOME: join(folder.path, "config"),
      LEGATE_URL: server.address,
      LEGATE_OPERATOR_KEY: adminKey,
      SECRET: "CANARY",
      KEY: adminKey,
    };
    expect(changing.length).toBeGreaterThan(60);
    for (const words of changing) {
      // A world without a way to make requests.
      const { code, stdout, stderr, requests } = await runHere([...words, "--dry-run"], { env, stdin: "CANARY" });
      const leaks = /CANARY|op_command_line/.test(stdout + stderr);
      expect([words.join(" "), code, requests, leaks], stderr).toEqual([words.join(" "), 0, [], false]);
    }
    expect(await run("whoami")).toMatchObject({ key: "profile default" });
  });

  test("was run with every command there is", () => {
    const elsewhere = ["run", "create-role", "create-workload-identity", "doctor", "completion"];
    const all = commands.map(({ path }) => path.join(" ")).filter((name) => !elsewhere.includes(name));
    expect(all.filter((name) => !ran.has(name))).toEqual([]);
  });
});

test("a server that is away, and one that is no Legate, have an exit code of their own", async () => {
  const away = { env: { LEGATE_URL: "http://127.0.0.1:9", LEGATE_OPERATOR_KEY: adminKey } };
  expect(await codeOf("agents list --timeout 2", away)).toBe(7);
  const other = { env: { LEGATE_URL: issuer.url, LEGATE_OPERATOR_KEY: adminKey } };
  expect(await codeOf("agents list --timeout 2", other)).toBe(7);
});
