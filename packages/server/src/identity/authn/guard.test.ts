import { expect, test } from "vitest";
import { Refusal } from "../../ground/kernel/index.ts";
import { makeLimits } from "../../ground/limits/index.ts";
import { openIdentity } from "../../testing/identity.ts";
import { adminOf, eachStore } from "../../testing/stores.ts";
import { makeGuard } from "./guard.ts";

const admin = adminOf("default");

eachStore("the guard before every proof", (fresh) => {
  const refusal = () => new Refusal("client_unauthenticated", "The same.");
  const how = { presents: "key" as const, refusal };
  const open = async () => {
    const identity = await openIdentity(await fresh());
    const limits = makeLimits({ db: identity.db, clock: identity.hand.clock, scale: 1 });
    const guard = makeGuard({ audit: identity.audit, limits });
    return { ...identity, limits, guard };
  };
  const source = { requestId: "r", address: "192.0.2.7" };

  test("looks at no more keys from an address that guessed too often, and at no more tokens where too many were dead: each for itself", async () => {
    const { guard, audit, hand, close } = await open();
    let looked = 0;
    const looking = () => {
      looked += 1;
      return Promise.reject(refusal());
    };
    const guess = (
      presents: "key" | "token",
      { address = source.address, costs = presents }: { address?: string; costs?: "key" | "token" } = {},
    ) =>
      guard({ ...source, address }, looking, { presents, costs: () => costs, refusal }).catch((error: unknown) => (error as Refusal).code);
    for (let n = 0; n < 119; n += 1) expect(await guess("key")).toBe("client_unauthenticated");
    for (let n = 0; n < 10; n += 1) expect(await guess("key", { costs: "token" })).toBe("client_unauthenticated");
    expect(await guess("key")).toBe("rate_limited");
    expect(looked).toBe(129);
    for (let n = 0; n < 1_200; n += 1) expect(await guess("token")).toBe("client_unauthenticated");
    expect(await guess("token")).toBe("rate_limited");
    expect(await guess("key", { address: "192.0.2.8" })).toBe("client_unauthenticated");
    const { items } = await audit.list("default", { action: "request.refused" }, { limit: 10 });
    expect(items).toMatchObject([{ callerKind: "anonymous", details: { reason: "rate_limited", limit: "guesses" } }]);
    hand.forward(180_000);
    expect(await guess("key")).toBe("client_unauthenticated");
    await close();
  });

  test("lets through who is known where strangers guessed; who turns out to be wrong hears what all others hear", async () => {
    const { guard, limits, close } = await open();
    for (let n = 0; n < 120; n += 1) limits.guessed(source.address, "key");
    let looked = 0;
    const right = () => {
      looked += 1;
      return Promise.resolve({ who: { ...admin, address: source.address } });
    };
    const wrong = () => {
      looked += 1;
      return Promise.reject(refusal());
    };
    const isKnown = () => Promise.resolve(true);
    await expect(guard(source, right, how)).rejects.toMatchObject({ code: "rate_limited" });
    await expect(guard(source, right, { ...how, isKnown: () => Promise.resolve(false) })).rejects.toMatchObject({ code: "rate_limited" });
    expect(looked).toBe(0);
    await expect(guard(source, right, { ...how, isKnown })).resolves.toMatchObject({ who: { tenant: "default" } });
    const refused = await guard(source, wrong, { ...how, isKnown }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "rate_limited", details: { limit: "guesses" } });
    await expect(guard({ ...source, tenant: "acme" }, right, { ...how, isKnown })).rejects.toMatchObject({ code: "rate_limited" });
    // What holds everybody else holds them too, and being let through counts as no refusal.
    expect(limits.refused()).toMatchObject({ guesses: 4 });
    await close();
  });

  test("answers a credential of another tenant than the address names as one that nobody has", async () => {
    const { guard, close } = await open();
    const identify = () => Promise.resolve({ who: { ...admin, address: source.address } });
    await expect(guard({ ...source, tenant: "default" }, identify, how)).resolves.toMatchObject({ who: { tenant: "default" } });
    await expect(guard(source, identify, how)).resolves.toMatchObject({ who: { tenant: "default" } });
    await expect(guard({ ...source, tenant: "acme" }, identify, how)).rejects.toMatchObject({ code: "client_unauthenticated" });
    await close();
  });

  test("holds whoever merely names a public client by address, so that nobody uses up what a tenant may do", async () => {
    const { guard, limits, close } = await open();
    const who = {
      tenant: "default",
      caller: { kind: "client", id: "cli_1" },
      actors: [],
      method: "public_client",
      requestId: "r",
      address: source.address,
    } as const;
    for (let n = 0; n < 3_000; n += 1) await guard(source, () => Promise.resolve({ who }), how);
    await expect(guard(source, () => Promise.resolve({ who }), how)).rejects.toMatchObject({ code: "rate_limited" });
    expect(limits.refused()).toMatchObject({ address: 1, tenant: 0 });
    expect(limits.allowanceOf({ ...admin, caller: { kind: "client", id: "cli_1" } })).toMatchObject({ remaining: 600_000 });
    await close();
  });
});
