import { generateKeyPair } from "jose";
import { afterEach, describe, expect, test } from "vitest";
import { type Egress, makeEgress } from "../../ground/egress/index.ts";
import { makeTestKey, startTestIssuer } from "../../testing/openid.ts";
import { handClock } from "../../testing/stores.ts";
import { makeKeySets } from "./key-sets.ts";

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** Key sets over a real issuer; `before` runs ahead of each request that leaves. */
const open = async ({
  alg = "ES256",
  before = () => Promise.resolve(),
  remembered = 10,
}: {
  alg?: string;
  before?: () => Promise<void>;
  remembered?: number;
} = {}) => {
  const hand = handClock();
  const upstream = await startTestIssuer({ alg, clock: hand.clock });
  const door = makeEgress({ allow: ["127.0.0.1"] });
  const egress: Egress = { ...door, fetch: (url, init) => before().then(() => door.fetch(url, init)) };
  closers.push(upstream.stop, () => door.close());
  const keySets = makeKeySets({ egress, clock: hand.clock, remembered });
  const owner = { id: "iss_1", issuer: upstream.url, discoveryUrl: `${upstream.url}/.well-known/openid-configuration` };
  const keysFor = (kid?: string) => keySets.keysFor(owner, { alg, ...(kid !== undefined && { kid }) });
  const current = () => upstream.key().publicJwk.kid;
  return { ...hand, upstream, keySets, owner, keysFor, current };
};

const unknown = { code: "user_token_invalid", details: { reason: "key_unknown" } };
const minute = 60_000;

describe("keys that are published", () => {
  test("are not used where they are secret, private, for encryption, for another algorithm or broken", async () => {
    const { upstream, keysFor } = await open();
    const { publicJwk } = upstream.key();
    const { privateKey } = await generateKeyPair("ES256", { extractable: true });
    const { d } = await crypto.subtle.exportKey("jwk", privateKey);
    upstream.publish([
      { kty: "oct", kid: "secret", k: "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", alg: "ES256" },
      { ...publicJwk, kid: "private", d },
      { ...publicJwk, kid: "encryption", use: "enc" },
      { ...publicJwk, kid: "wrapping", key_ops: ["wrapKey"] },
      { ...publicJwk, kid: "other", alg: "ES384" },
      { ...publicJwk, kid: "broken", x: "AAAA" },
      { ...publicJwk, kid: "good" },
      "text",
      null,
      7,
      {},
      [],
    ]);
    expect(await keysFor("good")).toHaveLength(1);
    for (const kid of ["secret", "private", "encryption", "wrapping", "other", "broken"]) {
      await expect(keysFor(kid)).rejects.toMatchObject(unknown);
    }
  });

  test("are all candidates where the token names none of them", async () => {
    const { upstream, keysFor } = await open();
    upstream.publish([(await makeTestKey()).publicJwk, upstream.key().publicJwk]);
    expect(await keysFor()).toHaveLength(2);
  });

  test("are fetched once for many at a time, and believed for ten minutes", async () => {
    const { upstream, keysFor, current, forward } = await open();
    await Promise.all(Array.from({ length: 64 }, () => keysFor(current())));
    expect(upstream.fetches()).toEqual({ discovery: 1, jwks: 1 });
    forward(10 * minute - 1);
    await keysFor(current());
    expect(upstream.fetches()).toEqual({ discovery: 1, jwks: 1 });
    forward(1);
    await keysFor(current());
    expect(upstream.fetches()).toEqual({ discovery: 2, jwks: 2 });
  });

  test("and withdrawn hold ten minutes at most", async () => {
    const { upstream, keysFor, current, forward } = await open();
    const withdrawn = current();
    await keysFor(withdrawn);
    await upstream.rotate();
    forward(10 * minute);
    await expect(keysFor(withdrawn)).rejects.toMatchObject(unknown);
  });

  test("at another place than before are found there", async () => {
    const { upstream, keysFor, current, forward } = await open();
    await keysFor(current());
    await upstream.rotate();
    const { url } = upstream;
    upstream.bend("/.well-known/openid-configuration", { body: JSON.stringify({ issuer: url, jwks_uri: `${url}/moved` }) });
    upstream.bend("/moved", { body: JSON.stringify({ keys: [upstream.key().publicJwk] }) });
    upstream.bend("/jwks", { status: 404, body: "{}" });
    forward(10 * minute);
    expect(await keysFor(current())).toHaveLength(1);
  });
});

describe("a key that is not known", () => {
  test("is fetched when it was rotated in", async () => {
    const { upstream, keysFor, current, forward } = await open();
    await keysFor(current());
    await upstream.rotate();
    forward(30_000);
    expect(await keysFor(current())).toHaveLength(1);
    expect(upstream.fetches()).toEqual({ discovery: 1, jwks: 2 });
  });

  test("and never was makes one fetch in thirty seconds, however often it is named", async () => {
    const { upstream, keysFor, current, forward } = await open();
    await keysFor(current());
    for (let round = 1; round <= 3; round += 1) {
      forward(30_000);
      const storm = await Promise.allSettled(Array.from({ length: 200 }, (_, at) => keysFor(`made-up-${round}-${at}`)));
      expect(storm.every((each) => each.status === "rejected")).toBe(true);
      for (let second = 0; second < 29; second += 1) {
        forward(1_000);
        await expect(keysFor(`made-up-${second}`)).rejects.toMatchObject(unknown);
      }
      forward(-29_000);
      expect(upstream.fetches().jwks).toBe(1 + round);
    }
    expect(await keysFor(current())).toHaveLength(1);
  });

  test("does not hold up whoever names a known one", async () => {
    let hold: Promise<void> = Promise.resolve();
    let leaves = () => {};
    const left = new Promise<void>((resolve) => {
      leaves = resolve;
    });
    let armed = false;
    const before = () => {
      if (armed) leaves();
      return hold;
    };
    const { keysFor, current, forward } = await open({ before });
    await keysFor(current());
    armed = true;
    forward(30_000);
    let release = () => {};
    hold = new Promise((resolve) => {
      release = resolve;
    });
    const waiting = keysFor("made-up").catch((problem: unknown) => problem);
    await left;
    expect(await keysFor(current())).toHaveLength(1);
    release();
    expect(await waiting).toMatchObject(unknown);
  });
});

describe("an issuer that is down", () => {
  test("and never answered is unavailable, and is not asked at every token", async () => {
    const { upstream, keysFor, current, forward } = await open();
    upstream.setUp(false);
    for (let count = 0; count < 20; count += 1) await expect(keysFor(current())).rejects.toMatchObject({ code: "issuer_unavailable" });
    expect(upstream.fetches().discovery).toBe(1);
    upstream.setUp(true);
    forward(2_000);
    expect(await keysFor(current())).toHaveLength(1);
  });

  test("is spoken for by its last keys, for a day", async () => {
    const { upstream, keysFor, current, forward } = await open();
    await keysFor(current());
    upstream.setUp(false);
    const asked = () => upstream.fetches().discovery + upstream.fetches().jwks;
    forward(10 * minute);
    const before = asked();
    for (let count = 0; count < 20; count += 1) expect(await keysFor(current())).toHaveLength(1);
    // One attempt asks for the metadata and, by what it said last, for the keys.
    expect(asked() - before).toBe(2);
    forward(30_000);
    await keysFor(current());
    expect(asked() - before).toBe(4);
    forward(24 * 60 * minute - 10 * minute - 30_000 - 1);
    expect(await keysFor(current())).toHaveLength(1);
    forward(1);
    await expect(keysFor(current())).rejects.toMatchObject({ code: "issuer_unavailable" });
    upstream.setUp(true);
    forward(30_000);
    expect(await keysFor(current())).toHaveLength(1);
  });

  test.each([
    ["an error", { status: 500, body: `{"keys":[]}` }],
    ["a page", { headers: { "content-type": "text/html" }, body: `{"keys":[]}` }],
    ["no JSON", { body: "{" }],
    ["no keys", { body: "{}" }],
    ["keys that are no list", { body: `{"keys":{"0":1}}` }],
    ["a list", { body: "[]" }],
    ["too much", { body: `{"keys":[${" ".repeat(1_100_000)}]}` }],
  ])("is as good as down where it answers %s", async (_, answer) => {
    const { upstream, keysFor, current, forward } = await open();
    await keysFor(current());
    upstream.bend("/jwks", answer);
    forward(10 * minute);
    expect(await keysFor(current())).toHaveLength(1);
  });

  test("is as good as down where its metadata begins to name another issuer, or keys at a place that may not be reached", async () => {
    for (const metadata of [
      () => ({ issuer: "https://evil.example", jwks_uri: "https://evil.example/jwks" }),
      (url: string) => ({ issuer: `${url}/`, jwks_uri: `${url}/other` }),
      (url: string) => ({ issuer: url, jwks_uri: "http://169.254.169.254/jwks" }),
    ]) {
      const { upstream, keysFor, current, forward } = await open();
      await keysFor(current());
      const { url } = upstream;
      upstream.bend("/.well-known/openid-configuration", { body: JSON.stringify(metadata(url)) });
      forward(10 * minute);
      expect(await keysFor(current())).toHaveLength(1);
      expect(upstream.fetches()).toEqual({ discovery: 2, jwks: 2 });
    }
  });
});

test("of many issuers the keys of those are known that were asked for last", async () => {
  const { upstream, keySets, owner, current } = await open({ remembered: 2 });
  const keysOf = (n: number) => keySets.keysFor({ ...owner, id: `iss_${n}` }, { alg: "ES256", kid: current() ?? "" });
  for (const n of [1, 2, 3, 4, 5, 6]) expect(await keysOf(n)).toHaveLength(1);
  expect(upstream.fetches()).toEqual({ discovery: 6, jwks: 6 });
  for (const n of [6, 5, 6]) expect(await keysOf(n)).toHaveLength(1);
  expect(upstream.fetches()).toEqual({ discovery: 6, jwks: 6 });
  expect(await keysOf(1)).toHaveLength(1);
  expect(upstream.fetches()).toEqual({ discovery: 7, jwks: 7 });
});
