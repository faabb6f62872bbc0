import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LegateClient, withWorkloadToken } from "./index.ts";
import { localAgentName } from "./local-name.ts";
import { FakeLegate, no, operatorKey } from "./testing/fake-legate.ts";

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "legate-sdk-"));
  file = join(folder, "agent.json");
});
afterEach(async () => {
  vi.restoreAllMocks();
  await chmod(folder, 0o700);
  await rm(folder, { recursive: true });
});

describe("the local agent's name", () => {
  it("is made up once, written once, said once", async () => {
    const said: string[] = [];
    const name = await localAgentName(file, (line) => said.push(line));
    expect(name).toMatch(/^workload-[0-9a-f]{8}$/);
    expect(said).toEqual([expect.stringContaining(name)]);
    const before = await readFile(file, "utf8");
    expect(JSON.parse(before)).toEqual({ agent: name });
    expect(await localAgentName(file, (line) => said.push(line))).toBe(name);
    expect(await readFile(file, "utf8")).toBe(before);
    expect(said).toHaveLength(1);
    expect(await readdir(folder)).toEqual(["agent.json"]);
  });

  it("is the same for all who start at the same time, and one of them says so", async () => {
    for (let round = 0; round < 20; round += 1) {
      const said: string[] = [];
      const path = join(folder, `round-${round}.json`);
      const names = await Promise.all(Array.from({ length: 16 }, () => localAgentName(path, (line) => said.push(line))));
      expect(new Set(names).size).toBe(1);
      expect(said).toHaveLength(1);
    }
    expect(await readdir(folder)).toHaveLength(20);
  });

  it.each(["", "{", "[]", '{"agent":7}', '{"agent":"a b"}', '{"agent":"agt_x"}'])(
    "is not guessed from a file that holds %j",
    async (content) => {
      await writeFile(file, content);
      await expect(localAgentName(file)).rejects.toMatchObject({ name: "ConfigurationError", message: expect.stringContaining(file) });
      expect(await readFile(file, "utf8")).toBe(content);
    },
  );

  it("says what to do where it cannot be written", async () => {
    await expect(localAgentName(join(folder, "missing", "agent.json"))).rejects.toMatchObject({
      ...{ name: "ConfigurationError", message: expect.stringContaining("LEGATE_AGENT") },
    });
  });
});

describe("an operator key that names no agent", () => {
  const token = (client: LegateClient) => withWorkloadToken({ client }, ({ workloadToken }: { workloadToken: string }) => workloadToken);
  let fake: FakeLegate;
  let lines: string[];
  beforeEach(async () => {
    fake = await FakeLegate.start();
    lines = [];
    vi.spyOn(process.stderr, "write").mockImplementation((line) => lines.push(String(line)) > 0);
  });
  afterEach(() => fake.stop());
  const developer = (register = {}) => new LegateClient({ url: fake.url, operatorKey, localAgent: { file, register } });

  it("acts as a made-up agent, registered once by all processes and all callers, and says so once on stderr", async () => {
    const clients = Array.from({ length: 4 }, () => developer({ allowedReturnUrls: ["http://localhost:3000/callback"] }));
    const tokens = await Promise.all(clients.flatMap((client) => [token(client)(), token(client)()]));
    const { agent } = JSON.parse(await readFile(file, "utf8"));
    expect(tokens.map((one) => fake.workloadTokens.get(one)?.agent)).toEqual(tokens.map(() => agent));
    expect([...fake.agents.keys()]).toEqual([agent]);
    expect(fake.agents.get(agent)).toMatchObject({ allowedReturnUrls: ["http://localhost:3000/callback"] });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(agent);
    expect(lines[0]).not.toContain(operatorKey);
  });

  it("registers the remembered name again where the server does not know it, and not where it does", async () => {
    await writeFile(file, '{"agent":"workload-0badcafe"}');
    await token(developer())();
    await token(developer())();
    expect(fake.bodies("createAgent")).toEqual([{ name: "workload-0badcafe" }]);
    expect(lines).toEqual([]);
  });

  it("acts as the agent that is named, and writes nothing", async () => {
    const named = new LegateClient({ url: fake.url, operatorKey, agent: "mine", localAgent: { file } });
    expect(fake.workloadTokens.get(await token(named)())?.agent).toBe("mine");
    expect(await readdir(folder)).toEqual([]);
    expect(fake.count("createAgent")).toBe(0);
  });

  it("tries again after a registration that failed", async () => {
    const client = developer();
    fake.script("createAgent", no(403, "forbidden"));
    await expect(token(client)()).rejects.toMatchObject({ code: "forbidden" });
    await expect(token(client)()).resolves.toBe("wat.1");
  });
});
