import { createHmac } from "node:crypto";
import { type CryptoKey, exportSPKI, importJWK, type JWTHeaderParameters, SignJWT } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeEgress } from "../../ground/egress/index.ts";
import { makeTestKey, startTestIssuer, type TestIssuer } from "../../testing/openid.ts";
import { adminOf, eachStore, handClock, openGround } from "../../testing/stores.ts";
import { makeIssuers } from "./index.ts";

const who = adminOf("default");
const encode = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** Answers the reason for which a token was refused, or the subject it was accepted for. */
const outcome = (verified: Promise<{ subject: string }>): Promise<string> =>
  verified.then(
    ({ subject }) => `accepted: ${subject}`,
    (problem: { code?: string; details?: { reason?: string }; message: string }) =>
      problem.code === "user_token_invalid" ? (problem.details?.reason ?? "no reason") : (problem.code ?? problem.message),
  );

eachStore("a user token", (fresh) => {
  const hand = handClock();
  const egress = makeEgress({ allow: ["127.0.0.1"] });
  let ground: Awaited<ReturnType<typeof openGround>>;
  let issuers: ReturnType<typeof makeIssuers>;
  let acme: TestIssuer;
  let rsa: TestIssuer;
  let acmeId: string;
  let rsaId: string;

  beforeAll(async () => {
    ground = await openGround(await fresh(), hand.clock);
    const [usersNamedBy, agentsNaming] = [() => Promise.resolve(undefined), () => Promise.resolve(false)];
    issuers = makeIssuers({ ...ground, egress, issuerOf: () => "https://legate.example", usersNamedBy, agentsNaming });
    acme = await startTestIssuer({ clock: hand.clock });
    rsa = await startTestIssuer({ clock: hand.clock, alg: "RS256" });
    acmeId = (await issuers.create(who, { name: "acme", discoveryUrl: acme.url, audiences: ["legate", "other"] })).id;
    rsaId = (await issuers.create(who, { name: "rsa", discoveryUrl: rsa.url, audiences: ["legate"], subjectClaim: "oid" })).id;
  });
  afterAll(async () => {
    await Promise.all([acme.stop(), rsa.stop(), egress.close(), ground.db.close()]);
  });

  const verify = (token: string, id = acmeId) => issuers.verify("default", id, token);
  const good = { sub: "alice", aud: "legate" };
  const now = () => Math.floor(hand.clock() / 1000);

  test("of a trusted issuer names its user", async () => {
    const verified = await verify(await acme.sign({ ...good, email: "alice@example.org" }));
    expect(verified).toMatchObject({
      issuerId: acmeId,
      iss: acme.url,
      subject: "alice",
      expiresAt: (now() + 600) * 1000,
      claims: { email: "alice@example.org" },
    });
  });

  test("names its user by the issuer's subject claim", async () => {
    expect(await outcome(verify(await rsa.sign({ ...good, oid: "o-1" }), rsaId))).toBe("accepted: o-1");
    expect(await outcome(verify(await rsa.sign(good), rsaId))).toBe("claim_missing");
    expect(await outcome(verify(await rsa.sign({ oid: "o-1", aud: "legate" }), rsaId))).toBe("claim_missing");
  });

  test("of another tenant's issuer is unknown here", async () => {
    const token = await acme.sign(good);
    await expect(issuers.verify("globex", acmeId, token)).rejects.toMatchObject({ code: "issuer_unknown" });
  });

  const claimCases: [string, Record<string, unknown>, string][] = [
    ["one audience of several", { aud: ["x", "other"] }, "accepted: alice"],
    ["another audience", { aud: "somebody" }, "audience"],
    ["an audience that only begins like ours", { aud: ["legate2", "legat"] }, "audience"],
    ["no audience", { aud: undefined }, "claim_missing"],
    ["an empty list of audiences", { aud: [] }, "audience"],
    ["another issuer", { iss: "https://evil.example" }, "issuer"],
    ["an issuer with a slash more", { iss: "slash" }, "issuer"],
    ["no issuer", { iss: undefined }, "claim_missing"],
    ["no subject", { sub: undefined }, "claim_missing"],
    ["an empty subject", { sub: "" }, "subject"],
    ["a subject that is a number", { sub: 7 }, "subject"],
    ["a subject that is a list", { sub: ["alice"] }, "subject"],
    ["a subject of 512 bytes", { sub: "é".repeat(256) }, `accepted: ${"é".repeat(256)}`],
    ["a subject of 513 bytes", { sub: `${"é".repeat(256)}a` }, "subject"],
    ["a subject with NUL", { sub: "a\0b" }, "subject"],
    ["a subject with half a surrogate pair", { sub: "a\ud800" }, "subject"],
    ["no expiry", { exp: undefined }, "claim_missing"],
    ["an expiry that is text", { exp: "9999999999" }, "malformed"],
    ["security events: a logout token", { events: { "http://schemas.openid.net/event/backchannel-logout": {} } }, "type"],
    ["a not-before that is text", { nbf: "0" }, "malformed"],
  ];
  test.each(claimCases)("with %s", async (_, claims, expected) => {
    const iss = claims["iss"] === "slash" ? { iss: `${acme.url}/` } : {};
    expect(await outcome(verify(await acme.sign({ ...good, ...claims, ...iss })))).toBe(expected);
  });

  test("has thirty seconds of leeway at both ends, not more", async () => {
    expect(await outcome(verify(await acme.sign({ ...good, exp: now() - 29 })))).toBe("accepted: alice");
    expect(await outcome(verify(await acme.sign({ ...good, exp: now() - 30 })))).toBe("expired");
    expect(await outcome(verify(await acme.sign({ ...good, nbf: now() + 30 })))).toBe("accepted: alice");
    expect(await outcome(verify(await acme.sign({ ...good, nbf: now() + 31 })))).toBe("not_yet_valid");
  });

  const headerCases: [string, Partial<JWTHeaderParameters>, string][] = [
    ["no typ", { typ: undefined as never }, "accepted: alice"],
    ["typ at+jwt", { typ: "at+jwt" }, "accepted: alice"],
    ["typ application/at+jwt", { typ: "application/AT+JWT" }, "accepted: alice"],
    ["typ dpop+jwt", { typ: "dpop+jwt" }, "type"],
    ["typ oauth-id-jag+jwt", { typ: "oauth-id-jag+jwt" }, "type"],
    ["typ wat+jwt", { typ: "wat+jwt" }, "type"],
    ["typ logout+jwt", { typ: "logout+jwt" }, "type"],
    ["typ secevent+jwt", { typ: "secevent+jwt" }, "type"],
    ["typ client-authentication+jwt", { typ: "client-authentication+jwt" }, "type"],
    ["an empty typ", { typ: "" }, "type"],
    ["a kid that is a path", { kid: "../../../../dev/null" }, "key_unknown"],
    ["a kid that is SQL", { kid: "x' UNION SELECT 'secret'--" }, "key_unknown"],
    ["an empty kid", { kid: "" }, "key_unknown"],
    ["a kid of prototype's", { kid: "__proto__" }, "key_unknown"],
    ["no kid, where one key fits", { kid: undefined as never }, "accepted: alice"],
  ];
  test.each(headerCases)("with %s", async (_, header, expected) => {
    expect(await outcome(verify(await acme.sign(good, header)))).toBe(expected);
  });

  /** Signs anything at all with the issuer's own key, past what jose would let through. */
  const raw = async (header: unknown, claims: unknown, source: TestIssuer = acme) => {
    const input = `${encode(header)}.${encode(claims)}`;
    const alg = source === acme ? { name: "ECDSA", hash: "SHA-256" } : { name: "RSASSA-PKCS1-v1_5" };
    const signature = await crypto.subtle.sign(alg, source.key().privateKey, Buffer.from(input));
    return `${input}.${Buffer.from(signature).toString("base64url")}`;
  };
  const kid = () => acme.key().publicJwk.kid;
  const claims = () => ({ iss: acme.url, exp: now() + 600, ...good });

  test("made by hand with the issuer's key is accepted: what follows fails for its own reason", async () => {
    expect(await outcome(verify(await raw({ alg: "ES256", kid: kid() }, claims())))).toBe("accepted: alice");
    expect(await outcome(verify(await raw({ alg: "RS256" }, { ...claims(), iss: rsa.url, oid: "o" }, rsa), rsaId))).toBe("accepted: o");
  });

  test("without a signature is refused, in every spelling of none", async () => {
    for (const alg of ["none", "None", "NONE", "nOnE", ""]) {
      expect(await outcome(verify(`${encode({ alg, typ: "JWT" })}.${encode(claims())}.`))).toBe("algorithm");
      expect(await outcome(verify(await raw({ alg, kid: kid() }, claims())))).toBe("algorithm");
    }
    const [header, payload] = (await acme.sign(good)).split(".");
    expect(await outcome(verify(`${header}.${payload}.`))).toBe("malformed");
  });

  test("signed by HMAC with the public RSA key as its secret is refused", async () => {
    const spki = await exportSPKI((await importJWK(rsa.key().publicJwk, "RS256")) as CryptoKey);
    for (const [alg, hash] of [
      ["HS256", "sha256"],
      ["HS512", "sha512"],
    ] as const) {
      for (const secret of [spki, spki.trim(), JSON.stringify(rsa.key().publicJwk), rsa.key().publicJwk.n ?? ""]) {
        const input = `${encode({ alg, kid: rsa.key().publicJwk.kid })}.${encode({ ...claims(), iss: rsa.url, oid: "o" })}`;
        expect(await outcome(verify(`${input}.${createHmac(hash, secret).update(input).digest("base64url")}`, rsaId))).toBe("algorithm");
      }
    }
  });

  test("with the zero signature, and with values out of range, is refused", async () => {
    const input = (await acme.sign(good)).split(".").slice(0, 2).join(".");
    const order = Buffer.from("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", "hex");
    for (const signature of [Buffer.alloc(64), Buffer.concat([order, order]), Buffer.from("3006020100020100", "hex")]) {
      expect(await outcome(verify(`${input}.${signature.toString("base64url")}`))).toBe("signature");
    }
  });

  test("that brings its own key is judged by the issuer's keys alone", async () => {
    const foreign = await makeTestKey("ES256", kid());
    const trap = await startTestIssuer();
    trap.publish([foreign.publicJwk]);
    const embedded = [
      { jwk: foreign.publicJwk },
      { jku: `${trap.url}/jwks` },
      { x5u: `${trap.url}/jwks` },
      { x5c: ["MIIB"] },
      { jwk: foreign.publicJwk, jku: `${trap.url}/jwks` },
    ];
    for (const header of embedded) {
      const named = new SignJWT(claims()).setProtectedHeader({ alg: "ES256", kid: kid() ?? "", ...header });
      expect(await outcome(verify(await named.sign(foreign.privateKey)))).toBe("signature");
      // The same header with the issuer's own signature is an ordinary token.
      expect(await outcome(verify(await raw({ alg: "ES256", kid: kid(), ...header }, claims())))).toBe("accepted: alice");
    }
    expect(trap.fetches()).toEqual({ discovery: 0, jwks: 0 });
    await trap.stop();
  });

  test("of another trusted issuer is not this one's", async () => {
    const token = await rsa.sign({ ...good, oid: "o" });
    expect(await outcome(verify(token))).toBe("key_unknown");
    expect(await outcome(verify(await rsa.sign({ ...good, iss: acme.url }, { kid: kid() as string })))).toBe("key_unknown");
  });

  test("with a key of another kind than its algorithm is refused", async () => {
    for (const alg of ["RS256", "PS256", "ES384", "ES512", "EdDSA"]) {
      expect(await outcome(verify(await raw({ alg, kid: kid() }, claims())))).toBe("key_unknown");
    }
    for (const alg of ["RS1", "ES256K", "A128KW", "dir", "PBES2-HS256+A128KW", "constructor", 7, null, undefined]) {
      expect(await outcome(verify(await raw({ alg, kid: kid(), p2c: 2_147_483_647 }, claims())))).toBe("algorithm");
    }
  });

  test("with an extension it calls critical is refused, known or not", async () => {
    for (const crit of [["exp"], ["b64"], ["urn:example:x"], [], "exp", null]) {
      expect(await outcome(verify(await raw({ alg: "ES256", kid: kid(), crit, exp: 1 }, claims())))).toBe("critical");
    }
    for (const header of [{ b64: false }, { b64: true, crit: ["b64"] }]) {
      expect(await outcome(verify(await raw({ alg: "ES256", kid: kid(), ...header }, claims())))).toBe("critical");
    }
  });

  test("with a name twice in header or claims is refused, however it is spelt", async () => {
    const body = JSON.stringify(claims()).slice(0, -1);
    for (const twice of [`,"sub":"alice"}`, `,"sub":"mallory"}`, `,"s\\u0075b":"mallory"}`, `,"x":{"a":1,"a":2}}`]) {
      expect(await outcome(verify(await raw({ alg: "ES256", kid: kid() }, body + twice)))).toBe("malformed");
    }
    expect(await outcome(verify(await raw(`{"alg":"none","alg":"ES256","kid":${JSON.stringify(kid())}}`, claims())))).toBe("malformed");
  });

  test("that is no compact JWT is refused as such", async () => {
    const token = await acme.sign(good);
    const [header = "", payload = "", signature = ""] = token.split(".");
    const endless = `{"iss":${JSON.stringify(acme.url)},"sub":"a","aud":"legate","exp":1e999}`;
    const jwe = `${encode({ alg: "PBES2-HS256+A128KW", enc: "A128GCM", p2c: 2_147_483_647, p2s: "AA" })}.AA.AA.AA.AA`;
    const wrong = [
      "",
      ".",
      "..",
      "...",
      "x",
      "a.b",
      `${header}.${payload}`,
      `${token}.x`,
      ` ${token}`,
      `${token}\n`,
      jwe,
      `${header}=.${payload}.${signature}`,
      `${header}.${payload}+.${signature}`,
      `{"payload":"${payload}"}`,
      `${encode("[]")}.${payload}.${signature}`,
      `${encode("x")}.${payload}.${signature}`,
      `${header}.${encode("null")}.${signature}`,
      `${Buffer.from([0x7b, 0xff, 0x7d]).toString("base64url")}.${payload}.${signature}`,
      await raw({ alg: "ES256" }, endless),
      await raw({ alg: "ES256", kid: 7 }, claims()),
      await raw({ alg: "ES256", kid: null }, claims()),
      await acme.sign({ ...good, padding: "a".repeat(16_000) }),
    ];
    for (const text of wrong) expect([text, await outcome(verify(text))]).toEqual([text, "malformed"]);
  });

  test("tells in its refusal nothing of itself", async () => {
    const problem = await verify(await acme.sign({ ...good, aud: "canary", sub: "canary", iss: "canary" })).catch(
      (thrown: unknown) => thrown,
    );
    expect(`${String(problem)} ${JSON.stringify(problem)}`).not.toContain("canary");
  });
});
