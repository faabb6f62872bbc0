import { createHmac, generateKeyPairSync, randomBytes } from "node:crypto";
import { CompactSign, decodeProtectedHeader, exportJWK, generateKeyPair } from "jose";
import { describe, expect, test } from "vitest";
import { makeReplay } from "../../ground/replay/index.ts";
import { makePeppers, openPepper } from "../../ground/seal/index.ts";
import { makeProver, type ProofOf } from "../../testing/prover.ts";
import { eachStore, handClock, openGround } from "../../testing/stores.ts";
import { makeDpop } from "./dpop.ts";
import { proofAlgorithms } from "./proof-key.ts";

const url = "https://legate.example/oauth2/token";
const encode = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

eachStore("a proof of possession", (fresh) => {
  const open = async () => {
    const hand = handClock();
    const ground = await openGround(await fresh(), hand.clock);
    const dpop = makeDpop({ ...ground, replay: makeReplay(ground) });
    const prover = await makeProver();
    const proofOf = (some: Partial<ProofOf> = {}) => prover.proof({ url, at: hand.clock(), nonce: dpop.nonce("default"), ...some });
    const check = (proof: string, some: { method?: string; url?: string; accessToken?: string; tenant?: string } = {}) =>
      dpop.check({ tenant: "default", method: "POST", url, proof, ...some });
    return { ...ground, hand, dpop, prover, proofOf, check, close: () => ground.db.close() };
  };

  test("names the key that its sender has", async () => {
    const { prover, proofOf, check, close } = await open();
    expect(await check(await proofOf())).toEqual({ thumbprint: prover.thumbprint });
    await close();
  });

  test.each([...new Set(proofAlgorithms)])("holds by %s", async (alg) => {
    const { hand, dpop, check, close } = await open();
    const prover = await makeProver(alg);
    const proof = await prover.proof({ url, at: hand.clock(), nonce: dpop.nonce("default") });
    expect(await check(proof)).toEqual({ thumbprint: prover.thumbprint });
    await close();
  });

  test("is used once", async () => {
    const { proofOf, check, close } = await open();
    const proof = await proofOf();
    await check(proof);
    await expect(check(proof)).rejects.toMatchObject({ code: "dpop_invalid", details: { reason: "replayed" } });
    // The same id in another proof of the same key is the same use; of another key it is another's.
    const jti = "chosen";
    await check(await proofOf({ claims: { jti } }));
    await expect(check(await proofOf({ claims: { jti }, method: "POST" }))).rejects.toMatchObject({ details: { reason: "replayed" } });
    await close();
  });

  test("is used once, however many bring it at the same moment", async () => {
    const { proofOf, check, close } = await open();
    const proof = await proofOf();
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => check(proof)));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    await close();
  });

  test("of the same id is nothing to another key or in another tenant", async () => {
    const { hand, dpop, check, close } = await open();
    const claims = { jti: "chosen" };
    for (const prover of [await makeProver(), await makeProver()]) {
      for (const tenant of ["default", "acme"]) {
        const proof = await prover.proof({ url, at: hand.clock(), nonce: dpop.nonce(tenant), claims });
        await expect(check(proof, { tenant })).resolves.toEqual({ thumbprint: prover.thumbprint });
      }
    }
    await close();
  });

  test("without a nonce, or with one that is not ours or no longer, is told the one to use, and is not used up", async () => {
    const { hand, dpop, proofOf, check, close } = await open();
    const first = dpop.nonce("default");
    for (const nonce of [undefined, "", "made-up", `${first}x`, first.slice(1), dpop.nonce("acme"), "\u00e9".repeat(first.length)]) {
      const proof = await proofOf({ claims: { nonce, jti: "kept" } });
      await expect(check(proof), String(nonce)).rejects.toMatchObject({ code: "dpop_nonce_required", details: { nonce: first } });
    }
    await expect(check(await proofOf({ claims: { nonce: 7, jti: "kept" } }))).rejects.toMatchObject({ code: "dpop_nonce_required" });
    await check(await proofOf({ nonce: first, claims: { jti: "kept" } }));

    hand.forward(120_000);
    const second = dpop.nonce("default");
    expect(second).not.toBe(first);
    await check(await proofOf({ nonce: first }));
    await check(await proofOf({ nonce: second }));
    hand.forward(120_000);
    await expect(check(await proofOf({ nonce: first }))).rejects.toMatchObject({
      code: "dpop_nonce_required",
      details: { nonce: dpop.nonce("default") },
    });
    await check(await proofOf({ nonce: second }));
    await close();
  });

  test("holds across replicas and across a change of pepper: each knows the nonces of the other", async () => {
    const address = await fresh();
    const hand = handClock();
    const ground = await openGround(address, hand.clock);
    const dpopOf = async () => makeDpop({ ...ground, pepper: await openPepper(ground), replay: makeReplay(ground) });
    const [one, two] = [await dpopOf(), await dpopOf()];
    expect(one.nonce("default")).toBe(two.nonce("default"));
    const prover = await makeProver();
    const before = one.nonce("default");
    const peppers = makePeppers({
      ...ground,
      tables: ["agent_keys", "operators"],
      installation: "default",
      record: ground.audit.record,
      tell: () => undefined,
    });
    await peppers.rotate({ tenant: "default", caller: { kind: "anonymous" }, actors: [], method: "none", requestId: "r" });
    // What was handed out before holds at one that knows only the new pepper as the newest, and the new ones at once everywhere.
    hand.forward(15_000);
    const third = await dpopOf();
    expect(third.nonce("default")).not.toBe(before);
    for (const [nonce, dpop] of [
      [before, third],
      [third.nonce("default"), third],
    ] as const) {
      const proof = await prover.proof({ url, at: hand.clock(), nonce });
      await expect(dpop.check({ tenant: "default", method: "POST", url, proof })).resolves.toEqual({ thumbprint: prover.thumbprint });
    }
    await ground.db.close();
  });

  test("is good for a minute before and after it says it was made", async () => {
    const { hand, proofOf, check, close } = await open();
    for (const off of [-60, -59, 0, 59, 60]) await check(await proofOf({ at: hand.clock() + off * 1000 }));
    const late = { code: "dpop_invalid", details: { reason: "time" } };
    for (const off of [-61, -3600, 61, 3600])
      await expect(check(await proofOf({ at: hand.clock() + off * 1000 }))).rejects.toMatchObject(late);
    for (const iat of [undefined, null, "now", String(hand.clock() / 1000), [1], 1e300, -1, 0])
      await expect(check(await proofOf({ claims: { iat } })), String(iat)).rejects.toMatchObject(late);
    await close();
  });

  test("is for one address and one method: case, default port, dots, query and fragment make no other; all else does", async () => {
    const { proofOf, check, close } = await open();
    for (const htu of [
      "HTTPS://LEGATE.example:443/oauth2/token",
      "https://legate.example/oauth2/./token",
      "https://legate.example/x/../oauth2/token",
      `${url}?a=b`,
      `${url}#c`,
      `${url}?`,
    ])
      await check(await proofOf({ claims: { htu } }));
    await check(await proofOf(), { url: `${url}?a=b` });
    for (const htu of [
      undefined,
      null,
      "",
      7,
      [url],
      "/oauth2/token",
      "legate.example/oauth2/token",
      "http://legate.example/oauth2/token",
      "https://legate.example:8443/oauth2/token",
      "https://legate.example/oauth2/token/",
      "https://legate.example/oauth2/Token",
      "https://legate.example/oauth2/introspect",
      "https://legate.example/t/acme/oauth2/token",
      "https://legate.example.attacker.example/oauth2/token",
      "https://attacker.example/oauth2/token",
      "https://legate.example@attacker.example/oauth2/token",
      "https://user@legate.example/oauth2/token",
      "https://:secret@legate.example/oauth2/token",
      "https://legate.example//oauth2/token",
      "javascript:alert(1)",
      "urn:legate",
    ])
      await expect(check(await proofOf({ claims: { htu } })), String(htu)).rejects.toMatchObject({ details: { reason: "url" } });
    for (const htm of [undefined, null, "", "GET", "post", "POST ", ["POST"]])
      await expect(check(await proofOf({ claims: { htm } })), String(htm)).rejects.toMatchObject({ details: { reason: "method" } });
    await close();
  });

  test("beside an access token is for that token", async () => {
    const { proofOf, check, close } = await open();
    const accessToken = "eyJ.one.token";
    await check(await proofOf({ accessToken }), { accessToken });
    const wrong = { code: "dpop_invalid", details: { reason: "token" } };
    for (const proof of [
      await proofOf(),
      await proofOf({ accessToken: "eyJ.other.token" }),
      await proofOf({ claims: { ath: accessToken } }),
      await proofOf({ claims: { ath: "" } }),
      await proofOf({ claims: { ath: null } }),
    ])
      await expect(check(proof, { accessToken })).rejects.toMatchObject(wrong);
    await close();
  });

  test("has an id of a length that can be remembered", async () => {
    const { proofOf, check, close } = await open();
    await check(await proofOf({ claims: { jti: "x".repeat(256) } }));
    for (const jti of [undefined, null, "", 7, ["x"], "x".repeat(257), "\ud800"])
      await expect(check(await proofOf({ claims: { jti } })), String(jti).slice(0, 20)).rejects.toMatchObject({
        details: { reason: "id" },
      });
    await close();
  });
});

describe("what is no proof of possession", () => {
  eachStore("is refused", (fresh) => {
    test("for its form, its type, its key or its signature, whatever else it says", async () => {
      const hand = handClock();
      const ground = await openGround(await fresh(), hand.clock);
      const dpop = makeDpop({ ...ground, replay: makeReplay(ground) });
      const prover = await makeProver();
      const other = await makeProver();
      const nonce = dpop.nonce("default");
      const proofOf = (some: Partial<ProofOf> = {}) => prover.proof({ url, at: hand.clock(), nonce, ...some });
      const good = await proofOf();
      const [head = "", payload = "", signature = ""] = good.split(".");
      const header = decodeProtectedHeader(good);
      const withHeader = (some: object) => `${encode({ ...header, ...some })}.${payload}.${signature}`;
      const privateJwk = await exportJWK(prover.privateKey);
      /** Signed by whoever holds the key, under a header that may say anything. */
      const signedAs = async (alg: string, key: Parameters<CompactSign["sign"]>[0], jwk: unknown) =>
        new CompactSign(Buffer.from(payload, "base64url")).setProtectedHeader({ alg, typ: "dpop+jwt", jwk } as never).sign(key);
      const ed448 = generateKeyPairSync("ed448");
      const short = generateKeyPairSync("rsa", { modulusLength: 1024 });
      const shortJwk = short.publicKey.export({ format: "jwk" });
      const rsa = await makeProver("RS256");
      const rsaSigned = await rsa.proof({ url, at: hand.clock(), nonce });
      const rsaHead = decodeProtectedHeader(rsaSigned);
      const [, rsaPayload = "", rsaSignature = ""] = rsaSigned.split(".");
      const secp = generateKeyPairSync("ec", { namedCurve: "secp256k1" }).publicKey.export({ format: "jwk" });
      const secret = randomBytes(32);
      const byHmac = (jwk: object) => {
        const text = `${encode({ alg: "HS256", typ: "dpop+jwt", jwk })}.${payload}`;
        return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
      };

      const cases: Record<string, Record<string, string>> = {
        malformed: {
          nothing: "",
          garbage: "garbage",
          "two headers joined": `${good}, ${await proofOf()}`,
          "two parts": `${head}.${payload}`,
          "four parts": `${good}.AAAA`,
          "white space": `${good} `,
          padding: `${good}=`,
          "no signature": `${head}.${payload}.`,
          huge: `${head}.${encode({ pad: "x".repeat(20_000) })}.${signature}`,
          "crit unknown": await proofOf({ header: { crit: ["exp"], exp: 1 } }).catch(() => withHeader({ crit: ["exp"], exp: 1 })),
          "crit empty": withHeader({ crit: [] }),
          b64: withHeader({ b64: false }),
          "a name twice": `${encode(JSON.stringify(header).replace("{", '{"alg":"none",'))}.${payload}.${signature}`,
        },
        type: {
          none: await proofOf({ header: { typ: undefined } }),
          JWT: await proofOf({ header: { typ: "JWT" } }),
          "at+jwt": await proofOf({ header: { typ: "at+jwt" } }),
          "with its prefix": await proofOf({ header: { typ: "application/dpop+jwt" } }),
          capitals: await proofOf({ header: { typ: "DPoP+JWT" } }),
        },
        key: {
          "alg none": `${encode({ ...header, alg: "none" })}.${payload}.AAAA`,
          "no alg": withHeader({ alg: undefined }),
          "a symmetric one": byHmac({ kty: "oct", k: secret.toString("base64url") }),
          "HS256 under an EC key": withHeader({ alg: "HS256" }),
          "alg of Object's own": withHeader({ alg: "constructor" }),
          "alg and key of Object's own": withHeader({ alg: "constructor", jwk: {} }),
          "RS256 under a key that says it is another's": `${encode({ ...rsaHead, jwk: { ...rsa.jwk, kty: "EC" } })}.${rsaPayload}.${rsaSignature}`,
          "no jwk": await proofOf({ header: { jwk: undefined } }),
          "jwk null": withHeader({ jwk: null }),
          "jwk a text": withHeader({ jwk: JSON.stringify(header.jwk) }),
          "jwk a list": withHeader({ jwk: [header.jwk] }),
          "kid instead": await proofOf({ header: { jwk: undefined, kid: "k" } }),
          "private key shown": await proofOf({ header: { jwk: privateJwk } }),
          "private member, empty": await proofOf({ header: { jwk: { ...prover.jwk, d: "" } } }),
          "symmetric member": await proofOf({ header: { jwk: { ...prover.jwk, k: "AAAA" } } }),
          "ES384 under a P-256 key": withHeader({ alg: "ES384" }),
          "RS256 under an EC key": withHeader({ alg: "RS256" }),
          "EdDSA under an EC key": withHeader({ alg: "EdDSA" }),
          "a curve that is not asked": withHeader({ jwk: secp }),
          Ed448: withHeader({ alg: "EdDSA", jwk: ed448.publicKey.export({ format: "jwk" }) }),
          "a point off its curve": withHeader({ jwk: { ...prover.jwk, y: prover.jwk.x } }),
          "a point without y": withHeader({ jwk: { kty: "EC", crv: "P-256", x: prover.jwk.x } }),
          "coordinates no text": withHeader({ jwk: { ...prover.jwk, x: 7 } }),
          "coordinates empty": withHeader({ jwk: { ...prover.jwk, x: "" } }),
          "coordinates not base64url": withHeader({ jwk: { ...prover.jwk, x: `${String(prover.jwk.x)}==` } }),
          "RSA too short": `${encode({ ...rsaHead, jwk: shortJwk })}.${rsaPayload}.${rsaSignature}`,
          "RSA too long": `${encode({ ...rsaHead, jwk: { ...rsa.jwk, n: "x".repeat(1400) } })}.${rsaPayload}.${rsaSignature}`,
          "RSA of a huge exponent": `${encode({ ...rsaHead, jwk: { ...rsa.jwk, e: "x".repeat(300) } })}.${rsaPayload}.${rsaSignature}`,
        },
        signature: {
          "another's": `${head}.${payload}.${(await other.proof({ url, at: hand.clock(), nonce })).split(".")[2] ?? ""}`,
          "another's key in the header": await proofOf({ header: { jwk: other.jwk } }),
          zero: `${head}.${payload}.${Buffer.alloc(64).toString("base64url")}`,
          short: `${head}.${payload}.AAAA`,
          "claims changed": `${head}.${encode({ htm: "POST", htu: url, jti: "x", iat: hand.clock() / 1000, nonce })}.${signature}`,
          "PS256 signed as RS256": await signedAs("PS256", (await generateKeyPair("PS256")).privateKey, rsa.jwk),
        },
      };
      for (const [reason, proofs] of Object.entries(cases)) {
        for (const [what, proof] of Object.entries(proofs)) {
          const ask = { tenant: "default", method: "POST", url, proof };
          await expect(dpop.check(ask), `${reason}: ${what}`).rejects.toMatchObject({ code: "dpop_invalid", details: { reason } });
        }
      }
      await expect(dpop.check({ tenant: "default", method: "POST", url, proof: good })).resolves.toEqual({
        thumbprint: prover.thumbprint,
      });
      await ground.db.close();
    });
  });
});
