import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeCoze } from "../testing/fake-coze.ts";
import { type LogEvent, SkillEnvAPIError, VariableError, type Variables, WorkloadIdentityError } from "./index.ts";
import { type LoadSkillEnvOptions, makeSkillEnv } from "./skill-env.ts";

const agentId = "9007199254740993123";
const patient = { timeout: 20_000 };
let fake: FakeCoze;
let folder: string;
let events: LogEvent[];
let into: Variables;
beforeEach(async () => {
  fake = await FakeCoze.start();
  folder = mkdtempSync(join(tmpdir(), "coze-skill-"));
  events = [];
  into = { COZE_SKILL_ENV_ENDPOINT: `${fake.url}/skill` };
});
afterEach(async () => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
  await fake.stop();
});

const write = (path: string, content: unknown) => {
  const whole = join(folder, path);
  mkdirSync(dirname(whole), { recursive: true });
  writeFileSync(whole, typeof content === "string" ? content : JSON.stringify(content));
  return whole;
};
const config = {
  patToken: "pat-canary",
  skills: [
    { relPath: "skills/other", skillId: "1" },
    { relPath: "/skills/weather/", skillID: "9007199254740995" },
  ],
};
const source = () => join(folder, ".coze/agents", agentId, "skills/weather/src/main.ts");
const withConfig = (content: unknown = config) => write(`.coze/agents/${agentId}/config.json`, content);
const load = (options: LoadSkillEnvOptions = {}, loader = makeSkillEnv()) =>
  loader({
    into,
    sourcePath: source(),
    ticketFile: join(folder, "ticket.json"),
    log: (event) => events.push(event),
    sleep: async () => undefined,
    ...options,
  });
const answer = (data: unknown) => fake.on("skill", () => ({ body: data }));

describe("the request", () => {
  it("keeps ids exact that JavaScript's numbers would round, and carries token and ticket", async () => {
    withConfig();
    write("ticket.json", { IDENTITY_TICKET: "ticket-canary" });
    answer({ data: { envs: { WEATHER_KEY: "w" } } });
    expect(await load()).toBe(true);
    const [request] = fake.asked("skill");
    expect(request?.text).toBe(`{"agent_id":${agentId},"skill_id":9007199254740995,"identity_ticket":"ticket-canary"}`);
    expect(request?.headers).toMatchObject({ authorization: "Bearer pat-canary", "content-type": "application/json" });
    expect(into).toMatchObject({
      ...{ agent_id: agentId, pat_token: "pat-canary", skill_id: "9007199254740995", WEATHER_KEY: "w" },
      ...{ identity_ticket: "ticket-canary", IDENTITY_TICKET: "ticket-canary" },
    });
    expect(inspect(events)).not.toMatch(/canary/);
  });

  it("has an id that is no number as text, and no ticket where there is none", async () => {
    withConfig({ ...config, skills: [{ relPath: "weather", skillId: 'a"b' }] });
    answer({ data: { A: "1" } });
    await load({ sourcePath: pathToFileURL(source()).href });
    expect(fake.asked("skill")[0]?.text).toBe(`{"agent_id":${agentId},"skill_id":"a\\"b"}`);
    expect(into).not.toHaveProperty("identity_ticket");
  });
});

describe("the skill", () => {
  it("is found through a link", async () => {
    withConfig();
    answer({ data: { A: "1" } });
    const real = write(`.coze/agents/${agentId}/skills/weather/main.ts`, "");
    symlinkSync(real, join(folder, "link.ts"));
    expect(await load({ sourcePath: join(folder, "link.ts") })).toBe(true);
    expect(into["A"]).toBe("1");
  });

  it("may be unknown: then only the agent is set, and a skill's id of before goes", async () => {
    withConfig({ patToken: "pat" });
    into["skill_id"] = "old";
    expect(await load()).toBe(true);
    expect(into).toEqual({ COZE_SKILL_ENV_ENDPOINT: `${fake.url}/skill`, agent_id: agentId, pat_token: "pat" });
    expect(fake.seen).toEqual([]);
  });

  it.each([
    ["there is no agent's folder", "plain/main.ts", undefined],
    ["the agent's id is no number", ".coze/agents/abc/main.ts", undefined],
    ["there is no configuration", `.coze/agents/${agentId}/main.ts`, undefined],
    ["the configuration is no JSON", `.coze/agents/${agentId}/main.ts`, "{"],
    ["the configuration is no object", `.coze/agents/${agentId}/main.ts`, []],
    ["the token is missing", `.coze/agents/${agentId}/main.ts`, { skills: [] }],
    ["the token is no text", `.coze/agents/${agentId}/main.ts`, { patToken: 7 }],
  ])("is nobody's where %s: nothing is set or sent, and a later call looks again", async (_, path, content) => {
    if (content !== undefined) withConfig(content);
    const loader = makeSkillEnv();
    expect(await load({ sourcePath: join(folder, path) }, loader)).toBe(false);
    expect(Object.keys(into)).toEqual(["COZE_SKILL_ENV_ENDPOINT"]);
    expect(fake.seen).toEqual([]);
    withConfig();
    answer({ data: { A: "1" } });
    expect(await load({}, loader)).toBe(true);
  });
});

describe("the variables", () => {
  it.each([
    [{ data: { envs: { A: "1" } } }],
    [{ data: { env: { A: "1" } } }],
    [{ data: { envs: {}, variables: { A: "1" } } }],
    [{ data: { A: "1" } }],
    [{ envs: { A: "1" } }],
    [{ variables: { A: "1" }, BaseResp: { StatusCode: 0 } }],
    [{ A: "1" }],
    [{ data: { envs: { A: "1" } }, BaseResp: { StatusCode: "0" } }],
    [{ data: { envs: { A: "1" } }, BaseResp: {} }],
  ])("stand in %j", async (payload) => {
    withConfig();
    answer(payload);
    expect(await load()).toBe(true);
    expect(into["A"]).toBe("1");
  });

  it("replace what is set, but for a proxy and its certificates", async () => {
    withConfig();
    const names = { proxy: "COZE_OUTBOUND_AUTH_PROXY", ca: "COZE_OUTBOUND_AUTH_PROXY_CA", path: "COZE_OUTBOUND_AUTH_PROXY_CA_PATH" };
    const allow = Object.values(names);
    const all = { A: "new", [names.proxy]: "new", [names.ca]: "new", [names.path]: "new", IDENTITY_TICKET: "new" };
    answer({ data: { envs: all } });
    Object.assign(into, { A: "old", [names.proxy]: "old", [names.path]: "old", identity_ticket: "old" });
    await load({ allow });
    expect(into).toMatchObject({ A: "new", [names.proxy]: "old", [names.path]: "old", identity_ticket: "new", IDENTITY_TICKET: "new" });
    expect(into).not.toHaveProperty(names.ca);
    into = { COZE_SKILL_ENV_ENDPOINT: `${fake.url}/skill` };
    await load({ allow });
    expect(into).toMatchObject({ [names.proxy]: "new", [names.ca]: "new" });
    expect(into).not.toHaveProperty(names.path);
    answer({ data: { envs: { [names.ca]: "", [names.path]: "new" } } });
    into = { COZE_SKILL_ENV_ENDPOINT: `${fake.url}/skill` };
    expect(await load({ allow })).toBe(true);
    expect(into).toMatchObject({ [names.path]: "new" });
  });

  it.each([
    "NODE_OPTIONS",
    "NODE_TLS_REJECT_UNAUTHORIZED",
    "LD_PRELOAD",
    "LEGATE_URL",
    "COZE_WORKLOAD_IDENTITY_TOKEN_ENDPOINT",
    "COZE_OUTBOUND_AUTH_PROXY",
  ])("are all refused where one steers the process, unless it is allowed: %s", async (name) => {
    withConfig();
    answer({ data: { envs: { A: "canary", [name]: "canary" } } });
    const error: unknown = await load().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(VariableError);
    expect((error as Error).message).toMatch(new RegExp(`: "${name}"$`));
    expect(inspect([error, into])).not.toContain('canary"');
    expect(into).not.toHaveProperty("A");
    expect(into).not.toHaveProperty(name);
    expect(await load({ allow: [name] })).toBe(true);
    expect(into).toMatchObject({ A: "canary", [name]: "canary" });
  });

  it("replace no name that steers the process", async () => {
    withConfig();
    answer({ data: { envs: { A: "new", LD_PRELOAD: "new" } } });
    Object.assign(into, { A: "old", LD_PRELOAD: "old" });
    await expect(load()).rejects.toBeInstanceOf(VariableError);
    expect(into).toMatchObject({ A: "old", LD_PRELOAD: "old" });
  });

  it("may hold a proxy that is not set because there is one", async () => {
    withConfig();
    answer({ data: { envs: { A: "1", COZE_OUTBOUND_AUTH_PROXY: "new" } } });
    into["COZE_OUTBOUND_AUTH_PROXY"] = "old";
    expect(await load()).toBe(true);
    expect(into).toMatchObject({ A: "1", COZE_OUTBOUND_AUTH_PROXY: "old" });
  });

  it.each([
    ["", "1"],
    ["B=C", "1"],
    ["B\ud800", "1"],
    ["B", "a\0b"],
    ["B", "\udc00"],
  ])("are all refused where no environment can hold one: %j with %j", async (name, value) => {
    withConfig();
    answer({ data: { envs: { A: "1", [name]: value } } });
    await expect(load({ allow: [name] })).rejects.toThrow(/cannot stand in an environment: /);
    expect(into).not.toHaveProperty("A");
  });

  it.each(["pat\0", "pat\ud800"])("are not asked for with a token that no environment can hold: %j", async (patToken) => {
    withConfig({ ...config, patToken });
    const before = { ...into };
    await expect(load()).rejects.toThrow(/cannot stand in an environment: "pat_token"$/);
    expect(into).toEqual(before);
    expect(fake.seen).toEqual([]);
  });

  it.each([
    ["there are none", { data: { envs: {} } }],
    ["they are not all text", { data: { envs: { A: 1 } } }],
    ["they are a list", { data: { envs: ["A"] } }],
    ["data is a list", { data: [] }],
    ["the answer is a list", []],
  ])("are not loaded where %s: false, and the log hears of it", async (_, payload) => {
    withConfig();
    answer(payload);
    expect(await load()).toBe(false);
    expect(events.at(-1)).toMatchObject({ level: "warn", step: "skill-env" });
  });

  it.each([
    { status: 500 },
    { status: 404 },
    { status: 204, text: "" },
    { text: "<html>" },
    { way: "cut" as const },
    { way: "hang" as const },
  ])("are not loaded when the endpoint answers %j: false, and nothing is thrown", async (reply) => {
    withConfig();
    fake.on("skill", () => reply);
    expect(await load({ timeout: reply.way === "hang" ? 100 : 10_000 })).toBe(false);
    expect(events.at(-1)).toMatchObject({ level: "warn", step: "skill-env" });
  });

  it("are not asked for at an address that is none, or with a token that no header holds", async () => {
    withConfig();
    into["COZE_SKILL_ENV_ENDPOINT"] = "canary";
    expect(await load()).toBe(false);
    withConfig({ ...config, patToken: "pat\ncanary" });
    into["COZE_SKILL_ENV_ENDPOINT"] = `${fake.url}/skill`;
    expect(await load()).toBe(false);
    expect(fake.seen).toEqual([]);
    expect(inspect(events)).not.toMatch(/canary/);
  });
});

describe("an error code in the answer", () => {
  it("is a SkillEnvAPIError with what was said, but for secrets", async () => {
    withConfig();
    write("ticket.json", { IDENTITY_TICKET: "ticket-canary" });
    answer({
      ...{ data: { envs: { WEATHER_KEY: "value-canary" } }, echo: ["pat-canary", "ticket-canary"] },
      BaseResp: { StatusCode: 4003, StatusMessage: "无权限" },
    });
    const error: unknown = await load().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(SkillEnvAPIError);
    expect(error).toBeInstanceOf(WorkloadIdentityError);
    expect((error as Error).message).toBe(
      'GetSkillEnvs error: {"data": {"envs": {"WEATHER_KEY": "[hidden]"}}, "echo": ["[hidden]", "[hidden]"], "BaseResp": {"StatusCode": 4003, "StatusMessage": "无权限"}}',
    );
    expect(error).toMatchObject({ code: 4003, status: 200, requestId: "req-1" });
    expect(inspect(error, { depth: null, showHidden: true })).not.toMatch(/canary/);
    expect(into).not.toHaveProperty("WEATHER_KEY");
  });

  it("is cut where the endpoint says too much", async () => {
    withConfig();
    answer({ BaseResp: { StatusCode: 7, StatusMessage: `${"x".repeat(1_940)}pat-canary${"y".repeat(1024 * 1024)}` } });
    const error: unknown = await load().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(SkillEnvAPIError);
    expect((error as Error).message.length).toBeLessThan(2_100);
    expect((error as Error).message).toContain("[hidden]");
    expect((error as Error).message).not.toMatch(/pat-/);
  });

  it.each(["1", null, true, -1])("is one where it is %j", async (code) => {
    withConfig();
    answer({ BaseResp: { StatusCode: code } });
    await expect(load()).rejects.toBeInstanceOf(SkillEnvAPIError);
  });
});

describe("loading", () => {
  it("happens once in a process, also for those who ask at the same time, unless it is forced", async () => {
    withConfig();
    answer({ data: { A: "1" } });
    const loader = makeSkillEnv();
    expect(await Promise.all([load({}, loader), load({}, loader), load({}, loader)])).toEqual([true, true, true]);
    delete into["A"];
    expect(await load({}, loader)).toBe(true);
    expect([fake.count("skill"), into["A"]]).toEqual([1, undefined]);
    expect(await load({ force: true }, loader)).toBe(true);
    expect([fake.count("skill"), into["A"]]).toEqual([2, "1"]);
  });

  it("ends with the caller's signal", async () => {
    withConfig();
    fake.on("skill", () => ({ way: "hang" }));
    const controller = new AbortController();
    const call = load({ signal: controller.signal });
    await vi.waitFor(() => expect(fake.count("skill")).toBe(1), patient);
    controller.abort();
    await expect(call).rejects.toMatchObject({ name: "AbortError" });
  });
});
