import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { type EgressLimits, makeEgress } from "./egress.ts";

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A server that answers when it is let go, and an egress that may reach it. */
const openHanging = async () => {
  const held: ServerResponse[] = [];
  const server = createServer((_request, response) => held.push(response));
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  closers.push(
    () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(resolve);
      }),
  );
  const letGo = () => {
    for (const response of held.splice(0)) response.end("{}");
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, held, letGo };
};
const open = (limits: Partial<EgressLimits> = {}) => {
  const egress = makeEgress({ allow: ["127.0.0.1"] }, { limits });
  closers.push(() => egress.close());
  return egress;
};
const crowded = { name: "EgressFailed", reason: "crowded" };

describe("an origin that hangs", () => {
  test("keeps so many requests waiting, refuses more at once, and holds up no other origin", async () => {
    const [hanging, healthy] = [await openHanging(), await openHanging()];
    const egress = open({ perOrigin: 40 });
    const waiting = Array.from({ length: 40 }, () => egress.fetch(hanging.url));
    const started = performance.now();
    for (let more = 0; more < 500; more += 1) await expect(egress.fetch(`${hanging.url}?${more}`)).rejects.toMatchObject(crowded);
    expect(performance.now() - started).toBeLessThan(2_000);
    const other = egress.fetch(healthy.url);
    await expect.poll(() => healthy.held.length).toBe(1);
    healthy.letGo();
    expect((await other).status).toBe(200);
    const letting = setInterval(hanging.letGo, 10);
    for (const each of waiting) expect((await each).status).toBe(200);
    clearInterval(letting);
  });

  test("gives its places back however a request ends", async () => {
    const hanging = await openHanging();
    const egress = open({ perOrigin: 2, totalMs: 200 });
    for (let round = 0; round < 5; round += 1) {
      const ended = await Promise.allSettled([
        egress.fetch(hanging.url),
        egress.fetch(hanging.url, { signal: AbortSignal.timeout(50) }),
        egress.fetch(hanging.url),
      ]);
      const reasons = ended.map((each) =>
        each.status === "rejected" ? ((each.reason as { reason?: string }).reason ?? "aborted") : "answered",
      );
      expect(reasons).toEqual(["timeout", "aborted", "crowded"]);
    }
    await expect(egress.fetch("http://169.254.169.254/")).rejects.toMatchObject({ name: "EgressBlocked" });
    await expect(egress.fetch("http://169.254.169.254/")).rejects.toMatchObject({ name: "EgressBlocked" });
    await expect(egress.fetch("http://169.254.169.254/")).rejects.toMatchObject({ name: "EgressBlocked" });
  });
});
