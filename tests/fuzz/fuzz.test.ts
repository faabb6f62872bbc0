import { dirname } from "node:path";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { eachStore } from "../../packages/server/src/testing/stores.ts";
import { full, say, seed, sleep, times } from "../replicas/extent.ts";
import { anySigned } from "./alibaba.ts";
import { faultsOf } from "./judge.ts";
import { rawClient } from "./raw-http.ts";
import { anyRequest, type Asked, render } from "./requests.ts";
import { openScene, type Scene } from "./scene.ts";

/** Requests that are on their way at once. */
const atOnce = times(25, 100);
/**
 * MiB of memory at the end, garbage aside. `resident` over what was resident when a tenth had been asked: what the store's own caches and the allocator may
 * take. `held` over what was held when a fifth had been asked: by then nearly all code had run, and what is remembered is bounded.
 */
const allowances = { resident: 96, held: 16 };

const anyOfAll = fc.oneof({ weight: 3, arbitrary: anyRequest }, { weight: 1, arbitrary: anySigned });

eachStore("requests of every kind, good and broken", (fresh) => {
  let scene: Scene;
  afterEach(() => scene.close());

  test("never a fault of the server's, never an answer without its form, never a secret; and it works afterwards", async () => {
    const store = await fresh();
    scene = await openScene(store.engine === "sqlite" ? { LEGATE_DATA_DIR: dirname(store.path) } : { LEGATE_DATABASE_URL: store.url });
    const wire = rawClient(Number(new URL(scene.server.url).port));
    const rounds = Math.ceil(times(1_000, 50_000) / atOnce);
    const statuses: Record<string, number> = {};
    const resident: number[] = [];
    const held: number[] = [];
    let asked = 0;

    const ask = async (what: Asked): Promise<readonly string[]> => {
      const request = render(what, scene.fill, scene.authorization, scene.keyOf);
      const exchange = await wire.send(request);
      asked += 1;
      const outcome =
        typeof exchange === "string" ? exchange : `${exchange.status}${exchange.body.includes('"unavailable"') ? " unavailable" : ""}`;
      statuses[outcome] = (statuses[outcome] ?? 0) + 1;
      const faults = [...faultsOf(what, request.isWhole, exchange)];
      if (typeof exchange === "object") faults.push(...scene.hear(what.operation, exchange.status, exchange.bytes, exchange.body));
      if (faults.length === 0) return [];
      const answer = typeof exchange === "string" ? exchange : exchange.bytes.slice(0, 1_000);
      return [`${faults.join(", ")}\n  asked: ${JSON.stringify(request.bytes.slice(0, 1_500))}\n  answered: ${JSON.stringify(answer)}`];
    };

    const weigh = async (): Promise<void> => {
      const now = await scene.weigh();
      resident.push(now.resident);
      held.push(now.held);
    };

    const began = performance.now();
    let round = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(anyOfAll, { minLength: atOnce, maxLength: atOnce }), async (requests) => {
        if (round % times(40, 20) === 0) await scene.furnish();
        if (round % Math.ceil(rounds / 10) === 0) {
          if (full || resident.length < 3) await weigh();
          if (full) say(`fuzz, ${store.engine}, so far`, { requests: asked, seed, residentMiB: resident, heldMiB: held });
        }
        round += 1;
        const faults = (await Promise.all(requests.map(ask))).flat();
        expect([...faults, ...scene.faults.splice(0)].join("\n")).toBe("");
      }),
      // What went wrong was printed as it was sent; what led to it has changed the server, so that a smaller case is none.
      { numRuns: rounds, seed, endOnFailure: true },
    );
    const seconds = (performance.now() - began) / 1000;
    wire.close();
    await sleep(500);
    await weigh();
    await scene.furnish();
    expect(await scene.works()).toEqual([201, 201, 200, 200, 200, 201, 200, 204]);
    expect(scene.faults).toEqual([]);
    // Two who change one agent at the same moment may be told to try again; nobody else.
    expect(statuses["503 unavailable"] ?? 0).toBeLessThan(5 + asked / 100);
    say(`fuzz, ${store.engine}`, {
      requests: asked,
      seed,
      seconds: Math.round(seconds),
      logLines: scene.lines(),
      statuses,
      residentMiB: resident,
      heldMiB: held,
    });
    expect(resident.at(-1)).toBeLessThan((resident[1] ?? 0) + allowances.resident);
    expect(held.at(-1)).toBeLessThan((held[2] ?? 0) + allowances.held);
  }, 3_600_000);
});
