import { createPublicKey, type JsonWebKey } from "node:crypto";
import { decodeProtectedHeader, jwtVerify } from "jose";
import { expect, test } from "vitest";
import { eachStore, handClock, openGround } from "../../testing/stores.ts";
import { makeSigning } from "./index.ts";

const day = 24 * 60 * 60 * 1000;
const kidOf = (token: string) => decodeProtectedHeader(token).kid;
const kidsOf = ({ keys }: { keys: readonly JsonWebKey[] }) => keys.map((key) => key["kid"]);

eachStore("signing keys", (fresh) => {
  test("sign what the published set verifies, and the set holds no private part", async () => {
    const ground = await openGround(await fresh(), handClock().clock);
    const signing = makeSigning(ground);
    const token = await signing.sign("acme", "test+jwt", { hello: "world" });
    const { keys } = await signing.keySet("acme");
    expect(keys).toHaveLength(1);
    expect(Object.keys(keys[0] ?? {}).toSorted()).toEqual(["alg", "crv", "kid", "kty", "use", "x", "y"]);
    const { payload, protectedHeader } = await jwtVerify(token, createPublicKey({ key: keys[0] as JsonWebKey, format: "jwk" }));
    expect(payload).toEqual({ hello: "world" });
    expect(protectedHeader).toMatchObject({ alg: "ES256", typ: "test+jwt" });
    expect(JSON.stringify(await ground.db.read.selectFrom("signing_keys").selectAll().execute())).not.toContain('"d"');
    await ground.db.close();
  });

  test("a tenant's key is no other tenant's", async () => {
    const ground = await openGround(await fresh(), handClock().clock);
    const signing = makeSigning(ground);
    const kid = kidOf(await signing.sign("acme", "test+jwt", {})) ?? "";
    await signing.sign("globex", "test+jwt", {});
    expect(await signing.keyFor("globex", kid)).toBeUndefined();
    expect(kidsOf(await signing.keySet("globex"))).not.toContain(kid);
    await ground.db.close();
  });

  test("the next key is published a day before it signs, and the former stays a day after", async () => {
    const hand = handClock();
    const ground = await openGround(await fresh(), hand.clock);
    const signing = makeSigning(ground);
    const first = kidOf(await signing.sign("acme", "test+jwt", {}));

    hand.forward(29 * day);
    expect(kidOf(await signing.sign("acme", "test+jwt", {}))).toBe(first);
    const published = kidsOf(await signing.keySet("acme"));
    expect(published).toHaveLength(2);
    expect(published[0]).toBe(first);

    hand.forward(day);
    const second = kidOf(await signing.sign("acme", "test+jwt", {}));
    expect(second).toBe(published[1]);
    expect(await signing.keyFor("acme", first ?? "")).toBeDefined();

    hand.forward(day);
    expect(await signing.keyFor("acme", first ?? "")).toBeUndefined();
    expect(kidsOf(await signing.keySet("acme"))).toEqual([second]);
    await ground.db.close();
  });

  test("after a long silence a key signs that was not published too late for anyone", async () => {
    const hand = handClock();
    const ground = await openGround(await fresh(), hand.clock);
    const signing = makeSigning(ground);
    const first = kidOf(await signing.sign("acme", "test+jwt", {}));
    hand.forward(200 * day);
    expect(kidOf(await signing.sign("acme", "test+jwt", {}))).toBe(first);
    hand.forward(day);
    expect(kidOf(await signing.sign("acme", "test+jwt", {}))).not.toBe(first);
    await ground.db.close();
  });

  test("stays the same from start to start, and many at once make one key", async () => {
    const address = await fresh();
    const one = await openGround(address, handClock().clock);
    const signing = makeSigning(one);
    const kids = new Set((await Promise.all([...Array(20)].map(() => signing.sign("acme", "test+jwt", {})))).map(kidOf));
    expect(kids.size).toBe(1);
    await one.db.close();
    const two = await openGround(address, handClock().clock);
    expect(kids).toContain(kidOf(await makeSigning(two).sign("acme", "test+jwt", {})));
    await two.db.close();
  });

  test("signs while the clock moves on under the making of the first key, and after it was set back an hour", async () => {
    let now = Date.UTC(2026, 0, 1);
    const ground = await openGround(await fresh(), () => (now += 7));
    const signing = makeSigning(ground);
    const first = kidOf(await signing.sign("acme", "test+jwt", {}));
    now -= 60 * 60 * 1000;
    const back = kidOf(await signing.sign("acme", "test+jwt", {}));
    expect(await signing.keyFor("acme", first ?? "")).toBeDefined();
    expect(await signing.keyFor("acme", back ?? "")).toBeDefined();
    await ground.db.close();
  });
});
