import { generateKeyPairSync, type JsonWebKey } from "node:crypto";
import { calculateJwkThumbprint } from "jose";
import { beforeEach, describe, expect, test } from "vitest";
import type { Refusal } from "../../ground/kernel/index.ts";
import { openIdentity } from "../../testing/identity.ts";
import { adminOf, eachStore } from "../../testing/stores.ts";
import { algorithmsOf, publicKeyFrom } from "./client-key.ts";

const admin = adminOf("default");
const page = { limit: 50 };

type Jwk = JsonWebKey & Record<string, unknown>;
const pairOf = {
  "P-256": () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
  "P-384": () => generateKeyPairSync("ec", { namedCurve: "P-384" }),
  "P-521": () => generateKeyPairSync("ec", { namedCurve: "P-521" }),
  Ed25519: () => generateKeyPairSync("ed25519"),
  RSA: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
} as const;
const publicJwk = (kind: keyof typeof pairOf = "P-256"): Jwk => pairOf[kind]().publicKey.export({ format: "jwk" });

eachStore("agents' client keys", (fresh) => {
  let identity: Awaited<ReturnType<typeof openIdentity>>;
  beforeEach(async () => {
    identity = await openIdentity(await fresh());
    return () => identity.close();
  });

  test("are found by the agent's id, in its tenant; five at most, however many come at once", async () => {
    const { agents } = identity;
    const { id } = await agents.create(admin, { name: "scout" });
    expect((await agents.clientKeysOf(id))?.keys).toEqual([]);
    const jwk = publicJwk();
    const made = await agents.createClientKey(admin, "scout", { jwk, description: "laptop" });
    expect(made).toMatchObject({ kid: await calculateJwkThumbprint(jwk as never), publicJwk: { ...jwk, kid: made.kid } });
    expect(await agents.clientKeysOf(id)).toMatchObject({ tenant: "default", keys: [{ id: made.id }] });
    const more = await Promise.allSettled([...Array(8).keys()].map(() => agents.createClientKey(admin, "scout", { jwk: publicJwk() })));
    expect(more.filter(({ status }) => status === "fulfilled")).toHaveLength(4);
    for (const result of more) if (result.status === "rejected") expect((result.reason as Refusal).code).toBe("too_many_keys");
    expect((await agents.clientKeysOf(id))?.keys).toHaveLength(5);
    expect((await agents.listClientKeys("default", "scout", page)).items).toHaveLength(5);
    expect(await agents.clientKeysOf(`agt_${"0".repeat(32)}`)).toBeUndefined();
  });

  test("a kid is one key's; two agents may use the same", async () => {
    const { agents } = identity;
    for (const name of ["scout", "clerk"]) {
      await agents.create(admin, { name });
      await agents.createClientKey(admin, name, { jwk: { ...publicJwk(), kid: "mine" } });
    }
    await expect(agents.createClientKey(admin, "scout", { jwk: { ...publicJwk(), kid: "mine" } })).rejects.toMatchObject({
      code: "invalid_request",
      details: { issues: [{ path: "jwk.kid" }] },
    });
  });

  test("a deleted one is gone at once, and so are all of an agent that is revoked or deleted", async () => {
    const { agents, audit } = identity;
    for (const end of ["delete", "revoke", "remove"] as const) {
      const { id: agent } = await agents.create(admin, { name: end });
      const { id } = await agents.createClientKey(admin, end, { jwk: publicJwk() });
      expect((await agents.clientKeysOf(agent))?.keys).toHaveLength(1);
      if (end === "delete") await agents.deleteClientKey(admin, end, id);
      else await agents[end](admin, end);
      expect((await agents.clientKeysOf(agent))?.keys, end).toEqual([]);
    }
    await expect(agents.deleteClientKey(admin, "delete", "ckey_0")).rejects.toMatchObject({ code: "key_unknown" });
    await expect(agents.createClientKey(admin, "revoke", { jwk: publicJwk() })).rejects.toMatchObject({ code: "agent_revoked" });
    const { items } = await audit.list("default", { action: "client_key.*" }, page);
    expect(items.map(({ action }) => action).sort()).toEqual([...Array<string>(3).fill("client_key.created"), "client_key.deleted"]);
  });

  test("a private key is refused; nothing of it is stored, answered or recorded", async () => {
    const { agents, db, audit } = identity;
    await agents.create(admin, { name: "scout" });
    for (const kind of ["P-256", "Ed25519", "RSA"] as const) {
      const jwk = pairOf[kind]().privateKey.export({ format: "jwk" }) as Jwk;
      const refusal = await agents.createClientKey(admin, "scout", { jwk }).catch((error: unknown) => error as Refusal);
      expect(refusal).toMatchObject({ code: "invalid_request" });
      const told = JSON.stringify([
        refusal,
        await db.read.selectFrom("client_keys").selectAll().execute(),
        await audit.list("default", {}, page),
      ]);
      for (const member of ["d", "p", "q", "dp", "dq", "qi"]) if (jwk[member] !== undefined) expect(told).not.toContain(jwk[member]);
    }
    expect(await db.read.selectFrom("client_keys").selectAll().execute()).toEqual([]);
  });
});

describe("a public key", () => {
  test.each([
    ["P-256", ["ES256"]],
    ["P-384", ["ES384"]],
    ["P-521", ["ES512"]],
    ["Ed25519", ["EdDSA", "Ed25519"]],
    ["RSA", ["PS256", "PS384", "PS512", "RS256", "RS384", "RS512"]],
  ] as const)("of kind %s signs with what its kind can, or with the one algorithm it names", async (kind, algorithms) => {
    const jwk = publicJwk(kind);
    const { kid, publicJwk: kept } = publicKeyFrom(jwk);
    expect(kid).toBe(await calculateJwkThumbprint(jwk as never));
    expect(algorithmsOf(kept)).toEqual(algorithms);
    for (const alg of algorithms) expect(algorithmsOf(publicKeyFrom({ ...jwk, alg }).publicJwk)).toEqual([alg]);
  });

  test("keeps nothing but what makes it a key", () => {
    const jwk = publicJwk();
    const { publicJwk: kept } = publicKeyFrom({
      ...jwk,
      kid: "k",
      use: "sig",
      key_ops: ["verify"],
      x5u: "https://evil.example/",
      note: "x",
    });
    expect(kept).toEqual({ ...jwk, kid: "k" });
  });

  const point = publicJwk();
  test.each([
    ["a shared key", { kty: "oct", k: "c2VjcmV0" }],
    ["no kind", {}],
    ["another kind", { kty: "AKP", pub: "x" }],
    ["another curve", { ...point, crv: "secp256k1" }],
    ["a curve of another kind", { ...point, crv: "Ed25519" }],
    ["a curve named as members of every object are", { ...point, crv: "constructor" }],
    ["Ed448", generateKeyPairSync("ed448").publicKey.export({ format: "jwk" })],
    ["X25519", generateKeyPairSync("x25519").publicKey.export({ format: "jwk" })],
    ["a coordinate missing", { ...point, y: undefined }],
    ["a coordinate that is no text", { ...point, y: 7 }],
    ["a point that is not on its curve", { ...point, y: point.x }],
    ["an algorithm of another kind", { ...point, alg: "RS256" }],
    ["the algorithm none", { ...point, alg: "none" }],
    ["an algorithm with a shared secret", { ...point, alg: "HS256" }],
    ["a key for encryption", { ...point, use: "enc" }],
    ["an empty kid", { ...point, kid: "" }],
    ["a kid that is no text", { ...point, kid: 1 }],
    ["RSA of 1024 bits", generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({ format: "jwk" })],
    ["RSA whose exponent is one", { ...publicJwk("RSA"), e: "AQ" }],
    ["RSA whose exponent is even", { ...publicJwk("RSA"), e: "BA" }],
  ] as const)("is not %s", (_, jwk) => {
    expect(() => publicKeyFrom(jwk as Jwk)).toThrowError(expect.objectContaining({ code: "invalid_request" }) as Error);
  });
});
