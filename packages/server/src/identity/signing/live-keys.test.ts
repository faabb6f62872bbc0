import { expect, test } from "vitest";
import { openGround, eachStore } from "../../testing/stores.ts";
import { makeSigning } from "./index.ts";
import { makeLiveKeys } from "./live-keys.ts";

eachStore("live signing keys", (fresh) => {
  test("of many tenants those are known that were asked for last", async () => {
    const ground = await openGround(await fresh());
    const signing = makeSigning(ground);
    const tenants = ["a", "b", "c", "d", "e", "f"];
    for (const tenant of tenants) await signing.sign(tenant, "test+jwt", {});
    let opened = 0;
    const seal = {
      ...ground.seal,
      open: (...given: Parameters<typeof ground.seal.open>) => {
        opened += 1;
        return ground.seal.open(...given);
      },
    };
    const live = makeLiveKeys({ ...ground, seal, prepare: () => Promise.reject(new Error("They have keys.")), remembered: 2 });
    for (const tenant of tenants) expect(await live.of(tenant)).toHaveLength(1);
    expect(opened).toBe(6);
    for (const tenant of ["f", "e", "f"]) await live.of(tenant);
    expect(opened).toBe(6);
    expect(await live.of("a")).toHaveLength(1);
    expect(opened).toBe(7);
    await ground.db.close();
  });
});
