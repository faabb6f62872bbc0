import { describe, expect, it } from "vitest";
import { ExpiringCache } from "./cache.ts";
import { type CredentialIdentity, credentialKey } from "./cache-key.ts";
import { Flights } from "./flights.ts";

const whole: CredentialIdentity = {
  ...{
    kind: "access-token",
    url: "https://a",
    credential: "sk_1",
    agent: "mail",
    who: "user-id",
    workloadToken: "w",
    userToken: "t",
    userId: "u",
  },
  ...{ provider: "github", vault: "v", flow: "M2M", scopes: ["a", "b"], resource: "https://r", audience: "aud" },
} as const;

describe("a credential's key", () => {
  const parts = Object.keys(whole) as (keyof CredentialIdentity)[];

  it("has every part", () => expect(parts).toHaveLength(14));

  // Dropping any part from credentialKey makes its line here fail.
  it.each(parts)("changes with `%s`, when it is another and when it is absent", async (part) => {
    const other = part === "scopes" ? ["a"] : part === "kind" ? "api-key" : "other";
    const keys = await Promise.all([whole, { ...whole, [part]: other }, { ...whole, [part]: undefined }].map(credentialKey));
    expect(new Set(keys).size).toBe(3);
  });

  it("keeps the parts apart, whatever stands in them", async () => {
    const base = { ...whole, userToken: undefined, userId: undefined };
    const keys = await Promise.all([
      credentialKey({ ...base, userId: "alice" }),
      credentialKey({ ...base, userToken: "alice" }),
      credentialKey({ ...base, userId: 'alice",null' }),
      credentialKey({ ...base, userId: "" }),
      credentialKey(base),
      credentialKey({ ...base, scopes: ["a b"] }),
      credentialKey({ ...base, scopes: ["a,b"] }),
      credentialKey({ ...base, scopes: [] }),
    ]);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it("does not change with the order or repetition of scopes, and shows nothing of what it is made of", async () => {
    const key = await credentialKey(whole);
    expect(await credentialKey({ ...whole, scopes: ["b", "a", "b"] })).toBe(key);
    expect(key).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe("the cache", () => {
  const at = (entries = 10) => {
    const time = { now: 0 };
    return { time, cache: new ExpiringCache<string>({ entries, clock: () => time.now }) };
  };

  it.each([
    [3_600_000, 3_540_000],
    [600_000, 540_000],
    [100_000, 90_000],
  ])("calls a credential that lives %i ms due for a refresh at %i ms: a tenth of its life before, at most a minute", (life, due) => {
    const { time, cache } = at();
    cache.set("k", "v", life);
    time.now = due - 1;
    expect(cache.fresh("k")).toBe("v");
    time.now = due;
    expect(cache.fresh("k")).toBeUndefined();
    expect(cache.usable("k")).toBe("v");
    time.now = life;
    expect(cache.usable("k")).toBeUndefined();
    expect(cache.size).toBe(0);
  });

  it("keeps nothing whose life is over or unknown", () => {
    const { cache } = at();
    for (const life of [0, -1, Number.NaN]) {
      cache.set("k", "old", 1000);
      cache.set("k", "v", life);
      expect(cache.usable("k")).toBeUndefined();
    }
  });

  it("is bounded: the one unused for longest goes first", () => {
    const { cache } = at(2);
    cache.set("a", "1", 1000);
    cache.set("b", "2", 1000);
    cache.fresh("a");
    cache.set("c", "3", 1000);
    expect([cache.fresh("a"), cache.fresh("b"), cache.fresh("c"), cache.size]).toEqual(["1", undefined, "3", 2]);
  });

  it("drops a value only while it is still that one", () => {
    const { cache } = at();
    cache.set("k", "new", 1000);
    cache.drop("k", "old");
    expect(cache.fresh("k")).toBe("new");
    cache.drop("k", "new");
    expect(cache.fresh("k")).toBeUndefined();
  });
});

describe("a flight", () => {
  it("is shared by all who ask for the same key meanwhile, and not by the next", async () => {
    const flights = new Flights();
    let loads = 0;
    const load = async () => {
      loads += 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
      return loads;
    };
    const all = await Promise.all(Array.from({ length: 64 }, () => flights.join("k", undefined, load)));
    expect(new Set(all)).toEqual(new Set([1]));
    expect(await flights.join("k", undefined, load)).toBe(2);
    expect(await Promise.all([flights.join("x", undefined, load), flights.join("y", undefined, load)])).toEqual([4, 4]);
  });

  it("fails for all, and is not remembered", async () => {
    const flights = new Flights();
    const load = () => Promise.reject(new Error("no"));
    const both = await Promise.allSettled([flights.join("k", undefined, load), flights.join("k", undefined, load)]);
    expect(both.map((one) => one.status)).toEqual(["rejected", "rejected"]);
    expect(await flights.join("k", undefined, async () => "yes")).toBe("yes");
  });

  it("goes on when one of several leaves, and is aborted when the last one does", async () => {
    const flights = new Flights();
    let shared: AbortSignal | undefined;
    let land: (value: string) => void = () => undefined;
    const load = (signal: AbortSignal) => {
      shared = signal;
      return new Promise<string>((resolve) => {
        land = resolve;
      });
    };
    const [one, two] = [new AbortController(), new AbortController()];
    const first = flights.join("k", one.signal, load);
    const second = flights.join("k", two.signal, load);
    one.abort(new Error("left"));
    await expect(first).rejects.toThrow("left");
    expect(shared?.aborted).toBe(false);
    land("landed");
    await expect(second).resolves.toBe("landed");

    const third = flights.join("k", two.signal, load);
    two.abort(new Error("left too"));
    await expect(third).rejects.toThrow("left too");
    expect(shared?.aborted).toBe(true);
    expect(await flights.join("k", undefined, async () => "anew")).toBe("anew");
  });
});
