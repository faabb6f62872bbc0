import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { House } from "../../packages/server/src/compose.ts";
import type { Principal } from "../../packages/server/src/ground/kernel/index.ts";
import type { SignedProof } from "../../packages/server/src/identity/authn/index.ts";
import { signRequest, type SignedWire, type ToSign } from "../../packages/server/src/testing/acs3.ts";
import { openTestHouse } from "../../packages/server/src/testing/house.ts";
import { refusalOf } from "../../packages/server/src/testing/refused.ts";
import { adminOf, eachStore, handClock } from "../../packages/server/src/testing/stores.ts";
import { onPostgres, type OwnDatabase, ownDatabase } from "../replicas/database.ts";

// Seen to fail, each break by itself and undone again: a signature that is not compared; the body's hash believed; a signed header taken though it stands there
// twice, or not at all; `x-acs-*` headers left unsigned, and those that must be signed not asked for; the query, the path and the method left out of what is
// signed; the nonce not spent; the clock's window left open on either side; the token of a temporary key not asked for, not compared, and taken with a lasting
// key; the end and the epochs of a temporary key not looked at, and the standing of its agent not asked; a workload token of another user or agent spent; a
// temporary key given workload tokens and keys; a cache of keys that hears of no change.

const admin: Principal = { ...adminOf("default"), caller: { kind: "operator", id: "op_admin", role: "admin" } };
const minute = 60_000;
const source = { requestId: "r", address: "192.0.2.1" };

interface Key {
  readonly accessKeyId: string;
  readonly secret: string;
  readonly securityToken?: string;
}

const lastingKey = async (house: House, rights: "admin" | { readonly agent: string }): Promise<Key> => {
  const { accessKeyId, accessKeySecret } = await house.accessKeys.create(admin, { rights });
  return { accessKeyId, secret: accessKeySecret };
};

/** As an agent gets one: its workload token, alone or for a user, turned into its role. */
const temporaryKey = async (house: House, agent: string, userId?: string, seconds = 900): Promise<Key> => {
  const { token } = await house.workloadTokens.issue(admin, { agent, userId });
  const who = await house.authn.proveWorkload({ token, ...source });
  const { accessKeyId, accessKeySecret, securityToken } = await house.roles.assume(who, { seconds, sessionName: "session" });
  return { accessKeyId, secret: accessKeySecret, securityToken };
};

/** A request with something of everything in it. */
const toSign: Omit<ToSign, "accessKeyId" | "secret" | "securityToken"> = {
  action: "GetResourceAPIKey",
  version: "2025-11-27",
  query: { RegionId: "cn-beijing", Note: "a b/c" },
  body: { ResourceCredentialProviderName: "weather", WorkloadAccessToken: "x.y.z" },
  headers: { "x-acs-credentials-provider": "static_sts", host: "http://127.0.0.1:8700" },
};

const proofOf = (wire: SignedWire): SignedProof => ({ ...source, ...wire });

/** What one who stands between makes of a request: each name of what it changed, with how the request reads then. */
const alterations = (wire: SignedWire): readonly (readonly [what: string, proof: SignedProof])[] => {
  const proof = proofOf(wire);
  const entries = Object.entries(wire.headers);
  const withHeaders = (headers: readonly (readonly [string, string])[]): SignedProof => ({ ...proof, rawHeaders: headers.flat() });
  const signature = /Signature=([0-9a-f]{64})/.exec(wire.headers["authorization"] ?? "")?.[1] ?? "";
  const flipped = `${signature.startsWith("0") ? "1" : "0"}${signature.slice(1)}`;
  const edited = (from: string, to: string) => ({ ...proof, rawHeaders: proof.rawHeaders.map((text) => text.replace(from, to)) });
  const date = wire.headers["x-acs-date"] ?? "";
  return [
    ...entries
      .filter(([name]) => name !== "authorization")
      .flatMap(([name, value]) => [
        [`${name} with a letter more`, withHeaders(entries.map(([each, old]) => [each, each === name ? `${old}0` : old]))] as const,
        [`${name} empty`, withHeaders(entries.map(([each, old]) => [each, each === name ? "" : old]))] as const,
        [`${name} left out`, withHeaders(entries.filter(([each]) => each !== name))] as const,
        [`${name} twice, the other first`, withHeaders([[name, "other"], ...entries])] as const,
        [`${name} twice, the other last`, withHeaders([...entries, [name.toUpperCase(), "other"]])] as const,
        [`${name} twice, the same`, withHeaders([...entries, [name, value]])] as const,
      ]),
    ["another date", edited(date, new Date(Date.parse(date) + 1000).toISOString().replace(".000", ""))],
    ["another nonce", edited(wire.headers["x-acs-signature-nonce"] ?? "", "0".repeat(32))],
    ["another action", edited("GetResourceAPIKey", "DeletePolicySet")],
    ["another interface", edited("2025-11-27", "2025-09-01")],
    [
      "a token that nobody signed",
      withHeaders([...entries.filter(([name]) => name !== "x-acs-security-token"), ["x-acs-security-token", "st_0"]]),
    ],
    ["a header of the vendor's that nobody signed", withHeaders([...entries, ["x-acs-signature-method", "HMAC-SHA1"]])],
    ["the method", { ...proof, method: "GET" }],
    ["the path", { ...proof, path: "/other" }],
    ["the query left out", { ...proof, query: "" }],
    ["a parameter more", { ...proof, query: `${proof.query}&Action=DeletePolicySet` }],
    ["a parameter's value", { ...proof, query: proof.query.replace("cn-beijing", "cn-hangzhou") }],
    ["a parameter's name", { ...proof, query: proof.query.replace("RegionId", "Regionid") }],
    ["a parameter cut in two", { ...proof, query: proof.query.replace("%2F", "&") }],
    ["the body", { ...proof, body: Buffer.from(String(proof.body).replace("weather", "payroll")) }],
    ["a byte more of the body", { ...proof, body: Buffer.concat([proof.body, Buffer.from("&")]) }],
    ["no body", { ...proof, body: Buffer.alloc(0) }],
    ["the signature", edited(signature, flipped)],
    ["the signature in capitals", edited(signature, signature.toUpperCase())],
    ["no signature", edited(signature, "")],
    ["a signature of nothing", edited(signature, "0".repeat(64))],
    ["no Authorization", withHeaders(entries.filter(([name]) => name !== "authorization"))],
    ["two of them", withHeaders([...entries, ["authorization", wire.headers["authorization"] ?? ""]])],
    ["the action unsigned", edited("x-acs-action;", "")],
    ["the token unsigned", edited("x-acs-security-token;", "")],
    ["nothing signed", edited(/SignedHeaders=[^,]*/.exec(wire.headers["authorization"] ?? "")?.[0] ?? "", "SignedHeaders=host")],
  ];
};

eachStore("a request signed with an access key", (fresh) => {
  const open = async () => {
    const hand = handClock();
    const house = await openTestHouse(await fresh(), { clock: hand.clock });
    for (const name of ["scout", "clerk"]) await house.agents.create(admin, { name, roleArn: `acs:ram::9999999999999999:role/${name}` });
    const sign = (key: Key, more: Partial<ToSign> = {}) => signRequest({ ...toSign, date: hand.clock(), ...key, ...more });
    const prove = (key: Key, more: Partial<ToSign> = {}) => house.authn.proveSigned(proofOf(sign(key, more)));
    return { house, hand, sign, prove };
  };

  test("is refused with anything of it altered, whoever's key it is; and the true one is as good as before", async () => {
    const { house, sign } = await open();
    for (const key of [
      await lastingKey(house, "admin"),
      await lastingKey(house, { agent: "scout" }),
      await temporaryKey(house, "scout", "alice"),
    ]) {
      const wire = sign(key);
      const altered = alterations(wire).filter(([what]) => what !== "the token unsigned" || key.securityToken !== undefined);
      for (const [what, proof] of altered)
        expect(await refusalOf(house.authn.proveSigned(proof)), what).toMatch(/^(signature_mismatch|request_time_skewed|unauthenticated)/);
      // What was altered has used nothing up.
      await house.authn.proveSigned(proofOf(wire));
      expect(await refusalOf(house.authn.proveSigned(proofOf(wire)))).toBe("nonce_used");
      for (const [what, proof] of altered)
        expect(await refusalOf(house.authn.proveSigned(proof)), what).toMatch(/^(signature_mismatch|request_time_skewed|unauthenticated)/);
    }
    await house.close();
  });

  test("opens nothing with another key's secret, an unknown key, or one that is no key", async () => {
    const { house, prove } = await open();
    const [one, other, temporary] = [
      await lastingKey(house, "admin"),
      await lastingKey(house, "admin"),
      await temporaryKey(house, "scout"),
    ];
    expect(await refusalOf(prove({ ...one, secret: other.secret }))).toBe("signature_mismatch signature");
    expect(await refusalOf(prove({ ...temporary, secret: one.secret }))).toBe("signature_mismatch signature");
    expect(await refusalOf(prove({ ...one, secret: "" }))).toBe("signature_mismatch signature");
    for (const accessKeyId of [
      `ak_${"0".repeat(32)}`,
      `tk_${"0".repeat(32)}`,
      "LTAI5tTestTestTestTest",
      "op_admin",
      "__proto__",
      "constructor",
      one.secret,
    ])
      expect(await refusalOf(prove({ ...one, accessKeyId })), accessKeyId).toBe("access_key_unknown");
    await house.close();
  });

  test("comes once, however often it is sent, and is worth nothing when it is old", async () => {
    const { house, hand, sign, prove } = await open();
    const key = await lastingKey(house, "admin");
    const wire = sign(key);
    const said = await Promise.all(Array.from({ length: 10 }, () => refusalOf(house.authn.proveSigned(proofOf(wire)))));
    expect(said.sort()).toEqual([...Array.from({ length: 9 }, () => "nonce_used"), "nothing refused"]);
    expect(await refusalOf(prove(key, { date: hand.clock() - 15 * minute - 1000 }))).toBe("request_time_skewed");
    expect(await refusalOf(prove(key, { date: hand.clock() + 15 * minute + 1000 }))).toBe("request_time_skewed");
    hand.forward(15 * minute + 1000);
    expect(await refusalOf(house.authn.proveSigned(proofOf(wire)))).toBe("request_time_skewed");
    await house.close();
  });

  test("with a temporary key comes with that key's own security token, and with a lasting key with none", async () => {
    const { house, prove } = await open();
    const [mine, sameAgents, anotherUsers, anothers] = [
      await temporaryKey(house, "scout", "alice"),
      await temporaryKey(house, "scout", "alice"),
      await temporaryKey(house, "scout", "bob"),
      await temporaryKey(house, "clerk", "alice"),
    ];
    await prove(mine);
    const { securityToken: _, ...without } = mine;
    expect(await refusalOf(prove(without))).toBe("security_token_invalid");
    expect(await refusalOf(prove({ ...mine, securityToken: "" }))).toBe("security_token_invalid");
    for (const { securityToken = "" } of [sameAgents, anotherUsers, anothers])
      expect(await refusalOf(prove({ ...mine, securityToken }))).toBe("security_token_invalid");
    for (const securityToken of ["st_", `${mine.securityToken ?? ""}0`, mine.secret])
      expect(await refusalOf(prove({ ...mine, securityToken }))).toBe("security_token_invalid");
    const lasting = await lastingKey(house, { agent: "scout" });
    expect(await refusalOf(prove({ ...lasting, securityToken: mine.securityToken ?? "" }))).toBe("security_token_invalid");
    await prove(lasting);
    await house.close();
  });

  test("with a temporary key is over with the key, and with whomever it names", async () => {
    const { house, hand, prove } = await open();
    const userOf = async (userId: string) => (await house.workloadTokens.issue(admin, { agent: "scout", userId })).user?.id ?? "";
    const short = await temporaryKey(house, "scout", "alice");
    hand.forward(15 * minute - 1);
    await prove(short);
    hand.forward(1);
    expect(await refusalOf(prove(short))).toBe("access_key_unknown");

    const fresh_ = () => temporaryKey(house, "scout", "alice");
    const suspended = await fresh_();
    await prove(suspended);
    await house.agents.suspend(admin, "scout");
    expect(await refusalOf(prove(suspended))).toBe("agent_suspended");
    await house.agents.resume(admin, "scout");
    expect(await refusalOf(prove(suspended))).toBe("access_key_unknown");

    const alice = await userOf("alice");
    const ofAlice = await fresh_();
    await house.users.suspend(admin, alice);
    expect(await refusalOf(prove(ofAlice))).toBe("user_suspended");
    await house.users.resume(admin, alice);
    expect(await refusalOf(prove(ofAlice))).toBe("access_key_unknown");

    const deleted = await fresh_();
    const ofRole = await fresh_();
    await prove(deleted);
    await house.accessKeys.remove(admin, deleted.accessKeyId);
    expect(await refusalOf(prove(deleted))).toBe("access_key_unknown");
    await prove(ofRole);
    await house.agents.update(admin, "scout", { roleArn: "acs:ram::9999999999999999:role/other" });
    expect(await refusalOf(prove(ofRole))).toBe("access_key_unknown");

    const alive = await fresh_();
    await prove(alive);
    await house.users.revoke(admin, alice);
    expect(await refusalOf(prove(alive))).toBe("access_key_unknown");

    const ofAgent = await temporaryKey(house, "scout");
    await prove(ofAgent);
    await house.agents.revoke(admin, "scout");
    expect(await refusalOf(prove(ofAgent))).toBe("access_key_unknown");
    await house.close();
  });

  test("with a temporary key gets no workload token, no key and no role, and spends nobody else's workload token", async () => {
    const { house, prove } = await open();
    const { accessKeys, agents, authn, roles, workloadTokens } = house;
    const scout = await agents.get("default", "scout");
    const who = await prove(await temporaryKey(house, "scout", "alice"));
    expect(await refusalOf(workloadTokens.issue(who, { agent: "scout", userId: "alice" }))).toBe("forbidden");
    expect(await refusalOf(workloadTokens.issue(who, {}))).toBe("forbidden");
    expect(await refusalOf(accessKeys.create(who, { rights: { agent: "scout" } }))).toBe("forbidden");
    expect(await refusalOf(roles.assume(who, { sessionName: "again" }))).toBe("forbidden");
    const ask = { agent: scout, tenantEpoch: 0, roleArn: "r", sessionName: "s", seconds: 900 };
    expect(await refusalOf(accessKeys.issueTemporary(who, ask))).toBe("forbidden");
    const tokenOf = async (agent: string, userId?: string) => (await workloadTokens.issue(admin, { agent, userId })).token;
    expect(await authn.spend(who, await tokenOf("scout", "alice"))).toMatchObject({ method: "workload_token", agent: { name: "scout" } });
    for (const [agent, userId] of [
      ["scout", "bob"],
      ["scout", undefined],
      ["clerk", "alice"],
      ["clerk", undefined],
    ] as const)
      expect(await refusalOf(authn.spend(who, await tokenOf(agent, userId))), `${agent} ${userId}`).toBe("unauthenticated");
    await house.close();
  });
});

onPostgres("signed requests, on two houses", () => {
  let database: OwnDatabase;
  let houses: readonly [House, House];
  beforeAll(async () => {
    database = await ownDatabase();
    const store = { engine: "postgres", url: database.url } as const;
    houses = [await openTestHouse(store), await openTestHouse(store)];
    await houses[0].agents.create(admin, { name: "scout", roleArn: "acs:ram::9999999999999999:role/scout" });
  }, 60_000);
  afterAll(async () => {
    for (const house of houses) await house.close();
    await database.drop();
  });
  const prove = (house: House, key: Key) => house.authn.proveSigned(proofOf(signRequest({ ...toSign, ...key })));
  /** Every replica has heard of it within two seconds. */
  const untilRefused = async (house: House, key: Key): Promise<string> => {
    const deadline = performance.now() + 20_000;
    for (;;) {
      const said = await refusalOf(prove(house, key));
      if (said !== "nothing refused" || performance.now() > deadline) return said;
      await new Promise((done) => setTimeout(done, 50));
    }
  };

  test("one that was taken by one is refused by the other, and of many at once one is taken", async () => {
    for (const key of [await lastingKey(houses[0], "admin"), await temporaryKey(houses[0], "scout", "alice")]) {
      const wire = proofOf(signRequest({ ...toSign, ...key }));
      await houses[0].authn.proveSigned(wire);
      expect(await refusalOf(houses[1].authn.proveSigned(wire))).toBe("nonce_used");
      const again = proofOf(signRequest({ ...toSign, ...key }));
      const said = await Promise.all(
        Array.from({ length: 12 }, (_, at) => refusalOf(houses[at % 2 === 0 ? 0 : 1].authn.proveSigned(again))),
      );
      expect(said.filter((word) => word === "nothing refused")).toHaveLength(1);
      expect(said.filter((word) => word === "nonce_used")).toHaveLength(11);
    }
  });

  describe.each([
    [
      "a key that is deleted",
      async (house: House, { accessKeyId }: Key) => house.accessKeys.remove(admin, accessKeyId),
      "access_key_unknown",
    ],
    ["a key of an agent that is suspended", (house: House) => house.agents.suspend(admin, "scout"), "agent_suspended"],
  ] as const)("%s", (_, end, said) => {
    test("dies on the other as well", async () => {
      const key = await lastingKey(houses[0], { agent: "scout" });
      for (const house of houses) await prove(house, key);
      await end(houses[0], key);
      expect(await untilRefused(houses[1], key)).toBe(said);
    }, 30_000);
  });
});
