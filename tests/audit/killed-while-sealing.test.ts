import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { StoreAddress } from "../../packages/server/src/ground/db/index.ts";
import { eachStore } from "../../packages/server/src/testing/stores.ts";
import { say, times } from "../replicas/extent.ts";
import { check, exported, openAuditedHouse, typeOf } from "./exports.ts";

const rounds = times(4, 50);

/** Records and seals without end, and says which events were acknowledged. */
const program = `
const [store, dist] = process.argv.slice(1);
const { openHouse } = await import(dist + "/compose.js");
const house = await openHouse({
  store: JSON.parse(store), masterKey: Buffer.alloc(32, 7), publicUrl: "http://127.0.0.1:8700",
  secureCookies: false, egressAllow: [], adminKey: "op_test_admin_key_0123456789abcdef",
});
const who = { tenant: "default", caller: { kind: "operator", id: "op_1", role: "admin" }, actors: [], method: "operator_key", requestId: "r" };
const write = async (n) => {
  for (;;) {
    const target = process.pid + "-" + n + "-" + Math.random();
    await house.audit.note(who, "thing.happened", { target });
    process.stdout.write(target + "\\n");
  }
};
for (let n = 0; n < 16; n += 1) void write(n);
for (;;) {
  await house.chain.seal("default");
  await new Promise(setImmediate);
}`;

const runUntilKilled = async (store: StoreAddress, after: number): Promise<readonly string[]> => {
  const child = spawn(
    process.execPath,
    ["--input-type=module", "-e", program, JSON.stringify(store), join(process.cwd(), "packages/server/dist")],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  let text = "";
  const gone = once(child, "close");
  let timer: NodeJS.Timeout | undefined;
  child.stdout.setEncoding("utf8").on("data", (more: string) => {
    text += more;
    timer ??= setTimeout(() => child.kill("SIGKILL"), after);
  });
  await gone;
  return text.split("\n").slice(0, -1);
};

eachStore("killed -9 while it seals", (fresh) => {
  test("nothing acknowledged is lost, and the chain verifies", async () => {
    const store = await fresh();
    const acknowledged = new Set<string>();
    let blocks = 0;
    for (let round = 0; round < rounds; round += 1) {
      for (const target of await runUntilKilled(store, 50 + ((round * 83) % 400))) acknowledged.add(target);
      const house = await openAuditedHouse(store, Date.now);
      const lines = await exported(house);
      await house.close();
      const report = await check(lines);
      expect(report.faults).toEqual([]);
      const recorded = new Set(lines.map((line) => (JSON.parse(line) as { target?: string }).target));
      expect([...acknowledged].filter((target) => !recorded.has(target))).toEqual([]);
      const sealed = lines.filter((line) => typeOf(line) === "event");
      expect(new Set(sealed).size).toBe(sealed.length);
      blocks = report.blocks;
    }
    expect(acknowledged.size).toBeGreaterThan(rounds * 10);
    expect(blocks).toBeGreaterThan(rounds);
    say("kill -9 while sealing", { rounds, acknowledged: acknowledged.size, blocks });
  }, 600_000);
});
