import { createHmac, createSign, generateKeyPairSync } from "node:crypto";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { describe, expect, test } from "vitest";
import { openIdentity, testPublicUrl } from "../../testing/identity.ts";
import { makesOneShape } from "../../testing/shapes.ts";
import { adminOf, eachStore } from "../../testing/stores.ts";
import type { AccessGrant } from "./access-token.ts";
import type { AcceptedKind } from "./kinds.ts";

const admin = adminOf("default");
const agent = { id: `agt_${"a".repeat(32)}`, epoch: 3 };
const other = { id: `agt_${"b".repeat(32)}`, epoch: 1 };
const third = { id: `agt_${"c".repeat(32)}`, epoch: 0 };
const user = { id: `usr_${"d".repeat(32)}`, epoch: 2 };
const resource = "https://api.example/v1";
const base: AccessGrant = { audience: resource, clientId: agent.id, scopes: ["read", "write"], actors: [agent], tenantEpoch: 5 };
const dead = { code: "unauthenticated", message: "The token is unknown, expired or not for this address." };

const encode = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
type Identity = Awaited<ReturnType<typeof openIdentity>>;

/** One live token of each kind that some door accepts. */
const oneOfEach = async ({ tokens }: Identity): Promise<Record<AcceptedKind, string>> => ({
  workload: (await tokens.mint("workload", "default", { agent, tenantEpoch: 5 })).token,
  access: (await tokens.mint("access", "default", base)).token,
  coze_id: (await tokens.mint("coze_id", "default", { agent, tenantEpoch: 5, clientId: agent.id })).token,
  coze_access: (await tokens.mint("coze_access", "default", { agent, tenantEpoch: 5, clientId: agent.id })).token,
});
const accepted = ["workload", "access", "coze_id", "coze_access"] as const satisfies readonly AcceptedKind[];

eachStore("access tokens", (fresh) => {
  const open = async () => openIdentity(await fresh());

  test("an agent's own: RFC 9068's header and claims, the agent as its subject, and nobody in `act`", async () => {
    const { tokens, close, signing } = await open();
    const { token, expiresAt, jti } = await tokens.mint("access", "default", base);
    expect(decodeProtectedHeader(token)).toEqual({ alg: "ES256", typ: "at+jwt", kid: (await signing.keySet("default")).keys[0]?.["kid"] });
    const now = Date.UTC(2026, 0, 1);
    expect(decodeJwt(token)).toEqual({
      iss: testPublicUrl,
      aud: resource,
      sub: agent.id,
      client_id: agent.id,
      scope: "read write",
      epochs: { tenant: 5, agents: [3] },
      iat: now / 1000,
      exp: now / 1000 + 600,
      jti,
    });
    expect(expiresAt).toBe(now + 600_000);
    expect(await tokens.verify("access", token)).toEqual({
      ...base,
      tenant: "default",
      jti,
      subject: agent.id,
      issuedAt: now,
      expiresAt,
      user: undefined,
      thumbprint: undefined,
      grantId: undefined,
      authTime: undefined,
    });
    await close();
  });

  const chains: readonly (readonly [string, Partial<AccessGrant>, object])[] = [
    ["a user through an app", { user, actors: [], clientId: "cli_1" }, { sub: user.id, epochs: { tenant: 5, agents: [], user: 2 } }],
    ["a user and an agent", { user }, { sub: user.id, act: { sub: agent.id }, epochs: { tenant: 5, agents: [3], user: 2 } }],
    [
      "a user and a chain of agents",
      { user, actors: [other, third, agent] },
      {
        sub: user.id,
        act: { sub: other.id, act: { sub: third.id, act: { sub: agent.id } } },
        epochs: { tenant: 5, agents: [1, 0, 3], user: 2 },
      },
    ],
    [
      "a chain of agents without a user",
      { actors: [other, agent] },
      { sub: agent.id, act: { sub: other.id }, epochs: { tenant: 5, agents: [1, 3] } },
    ],
    [
      "all that may stand in one",
      { user, scopes: [], thumbprint: "t".repeat(43), grantId: "ogr_1", authTime: 1_700_000_000_000 },
      { cnf: { jkt: "t".repeat(43) }, gid: "ogr_1", auth_time: 1_700_000_000 },
    ],
  ];
  test.each(chains)("of %s say so, and are read as they were made", async (_, some, claims) => {
    const { tokens, close } = await open();
    const grant: AccessGrant = { ...base, ...some };
    const { token } = await tokens.mint("access", "default", grant);
    expect(decodeJwt(token)).toMatchObject(claims);
    expect(await tokens.verify("access", token)).toMatchObject(grant);
    if (grant.scopes.length === 0) expect(decodeJwt(token)).not.toHaveProperty("scope");
    await close();
  });

  test("end with what they were asked for with, and are not made of what has ended", async () => {
    const { tokens, hand, close } = await open();
    const now = hand.clock();
    const { token, expiresAt } = await tokens.mint("access", "default", { ...base, notAfter: now + 90_500 });
    expect(expiresAt).toBe(now + 90_000);
    expect((await tokens.mint("access", "default", { ...base, notAfter: now + 9_000_000 })).expiresAt).toBe(now + 600_000);
    await expect(tokens.mint("access", "default", { ...base, notAfter: now })).rejects.toMatchObject({ code: "grant_invalid" });
    hand.forward(89_999);
    await expect(tokens.verify("access", token)).resolves.toMatchObject({ expiresAt });
    hand.forward(1);
    await expect(tokens.verify("access", token)).rejects.toMatchObject(dead);
    await close();
  });

  test("are never made for an audience of ours that another kind has, and one that says so is none", async () => {
    const { tokens, signing, close } = await open();
    const claims = decodeJwt((await tokens.mint("access", "default", base)).token);
    for (const path of ["", "/vault", "/coze", "/agentauth"]) {
      const audience = testPublicUrl + path;
      await expect(tokens.mint("access", "default", { ...base, audience })).rejects.toMatchObject({ code: "target_invalid" });
      await expect(tokens.verify("access", await signing.sign("default", "at+jwt", { ...claims, aud: audience }))).rejects.toMatchObject(
        dead,
      );
    }
    const { token } = await tokens.mint("access", "default", { ...base, audience: `${testPublicUrl}/oauth2/userinfo` });
    await expect(tokens.verify("access", token)).resolves.toMatchObject({ audience: `${testPublicUrl}/oauth2/userinfo` });
    await close();
  });

  test("whose claims are bent are none, whoever signed them", async () => {
    const { tokens, signing, close } = await open();
    const claims = decodeJwt((await tokens.mint("access", "default", { ...base, user, actors: [agent, other] })).token);
    const bent: readonly object[] = [
      { epochs: undefined },
      { epochs: { tenant: 5, agents: [3], user: 2 } },
      { epochs: { tenant: 5, agents: [3, 1, 0], user: 2 } },
      { epochs: { tenant: 5, agents: [3, "1"], user: 2 } },
      { epochs: { tenant: 5, agents: [3, 1.5], user: 2 } },
      { epochs: { tenant: 5, agents: { 0: 3, 1: 1, length: 2 }, user: 2 } },
      { epochs: { agents: [3, 1], user: 2 } },
      { epochs: { tenant: 5, agents: [3, 1], user: "2" } },
      { act: undefined },
      { act: { sub: agent.id } },
      { act: { sub: agent.id, act: {} } },
      { act: [agent.id, other.id] },
      { cnf: {} },
      { cnf: { jkt: "" } },
      { cnf: { jkt: 7 } },
      { cnf: "t" },
      { cnf: null },
      { scope: "" },
      { scope: ["read"] },
      { client_id: undefined },
      { aud: [resource] },
      { gid: 7 },
      { auth_time: "yesterday" },
      { jti: "" },
      { jti: 7 },
      { iat: undefined },
      { exp: undefined },
      { exp: 1e300 },
      { sub: { id: user.id } },
    ];
    for (const some of bent) {
      const token = await signing.sign("default", "at+jwt", { ...claims, ...some });
      await expect(tokens.verify("access", token), JSON.stringify(some)).rejects.toMatchObject(dead);
    }
    await expect(tokens.verify("access", await signing.sign("default", "at+jwt", claims))).resolves.toMatchObject({ subject: user.id });
    await close();
  });
});

eachStore("tokens of the Coze wire", (fresh) => {
  test("name the agent, its client and their epochs; the first lives two minutes, the second an hour", async () => {
    const { tokens, hand, close } = await openIdentity(await fresh());
    const grant = { agent, tenantEpoch: 5, clientId: agent.id };
    for (const [kind, typ, seconds] of [
      ["coze_id", "coze-id+jwt", 120],
      ["coze_access", "at+jwt", 3600],
    ] as const) {
      const { token, expiresAt, jti } = await tokens.mint(kind, "default", grant);
      expect(decodeProtectedHeader(token).typ).toBe(typ);
      expect(decodeJwt(token)).toMatchObject({
        iss: testPublicUrl,
        aud: `${testPublicUrl}/coze`,
        sub: agent.id,
        client_id: agent.id,
        epochs: { agent: 3, tenant: 5 },
        jti,
      });
      expect(expiresAt).toBe(hand.clock() + seconds * 1000);
      expect(await tokens.verify(kind, token)).toEqual({
        tenant: "default",
        jti,
        issuedAt: hand.clock(),
        expiresAt,
        agentId: agent.id,
        agentEpoch: 3,
        tenantEpoch: 5,
        clientId: agent.id,
      });
    }
    await close();
  });
});

eachStore("ID tokens", (fresh) => {
  test("say who logged in, when and for which client, and hold the hash of the access token they came with", async () => {
    const { tokens, close } = await openIdentity(await fresh());
    const { token } = await tokens.mint("id", "default", {
      clientId: "cli_1",
      subject: user.id,
      authTime: 1_700_000_000_500,
      nonce: "n-0S6_WzA2Mj",
      // OpenID Connect Core, appendix A.3, has this pair of token and hash for another algorithm of the same hash.
      accessToken: "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y",
    });
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: "ES256", typ: "JWT" });
    expect(decodeJwt(token)).toMatchObject({
      iss: testPublicUrl,
      aud: "cli_1",
      sub: user.id,
      auth_time: 1_700_000_000,
      nonce: "n-0S6_WzA2Mj",
      at_hash: "77QmUPtjPfzWtF2AnpK9RQ",
    });
    const bare = decodeJwt((await tokens.mint("id", "default", { clientId: "cli_1", subject: user.id })).token);
    expect(Object.keys(bare).sort()).toEqual(["aud", "exp", "iat", "iss", "jti", "sub"]);
    await close();
  });
});

eachStore("every kind of token", (fresh) => {
  test("is verified as what it is, and as nothing else", async () => {
    const identity = await openIdentity(await fresh());
    const { tokens, close } = identity;
    const each = await oneOfEach(identity);
    const { token: id } = await tokens.mint("id", "default", { clientId: "cli_1", subject: user.id });
    const all: Record<string, string> = {
      ...each,
      id,
      client_assertion: await tokens.clientAssertion("default", { clientId: "c", audience: testPublicUrl }),
    };
    for (const [made, token] of Object.entries(all)) {
      for (const kind of accepted) {
        if (made === kind) await expect(tokens.verify(kind, token), kind).resolves.toMatchObject({ tenant: "default" });
        else await expect(tokens.verify(kind, token), `${made} as ${kind}`).rejects.toMatchObject(dead);
      }
    }
    await close();
  });

  test("carries an id of its own, says when it was made and when it ends, and names the key that signed it", async () => {
    const identity = await openIdentity(await fresh());
    const seen = new Set<unknown>();
    for (const token of [...Object.values(await oneOfEach(identity)), ...Object.values(await oneOfEach(identity))]) {
      const { iss, iat, exp, jti } = decodeJwt(token);
      expect({ iss, iat: typeof iat, exp: typeof exp, jti: typeof jti }).toEqual({
        iss: testPublicUrl,
        iat: "number",
        exp: "number",
        jti: "string",
      });
      expect(decodeProtectedHeader(token).kid).toMatch(/^[\w-]{16}$/);
      seen.add(jti);
    }
    expect(seen.size).toBe(8);
    await identity.close();
  });

  test("dies with the key that signed it, also where it was verified a moment before", async () => {
    const identity = await openIdentity(await fresh());
    const each = await oneOfEach(identity);
    for (const kind of accepted) await identity.tokens.verify(kind, each[kind]);
    const { kid = "" } = decodeProtectedHeader(each.access);
    await identity.signing.revoke(admin, kid);
    for (const kind of accepted) await expect(identity.tokens.verify(kind, each[kind])).rejects.toMatchObject(dead);
    await identity.close();
  });
});

/** RFC 8725 2 and 3: what has been tried on readers of JSON Web Tokens. */
eachStore("a forged token of any kind is refused by the same answer", (fresh) => {
  test("no algorithm, another's key, keys in the header, forged ids and types, extensions, zero signatures, names that stand twice", async () => {
    const identity = await openIdentity(await fresh());
    await identity.tenants.create(admin, "acme");
    const each = await oneOfEach(identity);
    const { keys } = await identity.signing.keySet("default");
    const publicJwk = keys[0] ?? {};
    const attacker = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const attackerJwk = attacker.publicKey.export({ format: "jwk" });
    const pem = (await identity.signing.keyFor("default", String(publicJwk["kid"])))?.publicKey.export({ type: "spki", format: "pem" });
    const byAttacker = (header: object, payload: string) => {
      const text = `${encode(header)}.${payload}`;
      return `${text}.${createSign("sha256").update(text).sign({ key: attacker.privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
    };
    const byHmac = (header: object, payload: string, key: string) => {
      const text = `${encode(header)}.${payload}`;
      return `${text}.${createHmac("sha256", key).update(text).digest("base64url")}`;
    };

    for (const kind of accepted) {
      const token = each[kind];
      const [head = "", payload = "", signature = ""] = token.split(".");
      const header = decodeProtectedHeader(token) as { alg: string; typ: string; kid: string };
      const claims = decodeJwt(token);
      const sign = (some: object, typ = header.typ) => identity.signing.sign("default", typ, { ...claims, ...some });
      const acme = `${testPublicUrl}/t/acme`;
      const forged: Record<string, string> = {
        "alg none": `${encode({ ...header, alg: "none" })}.${payload}.`,
        "alg none, signed": `${encode({ ...header, alg: "none" })}.${payload}.${signature}`,
        "alg nOnE": `${encode({ ...header, alg: "nOnE" })}.${payload}.`,
        "no signature": `${head}.${payload}.`,
        "HS256 with the public key as PEM": byHmac({ ...header, alg: "HS256" }, payload, String(pem)),
        "HS256 with the public key as JWK": byHmac({ ...header, alg: "HS256" }, payload, JSON.stringify(publicJwk)),
        "HS256 with nothing": byHmac({ ...header, alg: "HS256" }, payload, ""),
        "ES384 over our key": `${encode({ ...header, alg: "ES384" })}.${payload}.${signature}`,
        "another's key": byAttacker(header, payload),
        "jwk in the header": byAttacker({ ...header, jwk: attackerJwk }, payload),
        "jwk in the header, no kid": byAttacker({ alg: "ES256", typ: header.typ, jwk: attackerJwk }, payload),
        "jku in the header": byAttacker({ ...header, jku: "https://attacker.example/jwks" }, payload),
        "x5u in the header": byAttacker({ ...header, x5u: "https://attacker.example/cert" }, payload),
        "x5c in the header": byAttacker({ ...header, x5c: ["MIIB"] }, payload),
        ...Object.fromEntries(
          [
            "",
            "../../../dev/null",
            "/dev/null",
            "' or 1=1 --",
            `${header.kid}' or '1'='1`,
            `${header.kid}\0`,
            "\ud800",
            "__proto__",
            "constructor",
            "https://attacker.example/key",
            "x".repeat(9000),
            header.kid.toUpperCase(),
          ].map((kid) => [`kid ${kid.slice(0, 20)}`, byAttacker({ ...header, kid }, payload)]),
        ),
        "kid a number": byAttacker({ ...header, kid: 7 }, payload),
        "kid a list": byAttacker({ ...header, kid: [header.kid] }, payload),
        "no kid": byAttacker({ alg: "ES256", typ: header.typ }, payload),
        "crit of nothing": byAttacker({ ...header, crit: [] }, payload),
        "crit unknown": byAttacker({ ...header, crit: ["exp"], exp: 1 }, payload),
        b64: byAttacker({ ...header, crit: ["b64"], b64: false }, payload),
        "zero signature": `${head}.${payload}.${Buffer.alloc(64).toString("base64url")}`,
        "zero signature as DER": `${head}.${payload}.${Buffer.from("3006020100020100", "hex").toString("base64url")}`,
        "signature too short": `${head}.${payload}.${Buffer.from(signature, "base64url").subarray(0, 63).toString("base64url")}`,
        "signature with its last bits changed": `${head}.${payload}.${signature.slice(0, -1)}${String.fromCharCode(signature.charCodeAt(85) + 1)}`,
        "signature padded": `${token}==`,
        "white space": `${head}.${payload}.${signature} `,
        "a fourth part": `${token}.AAAA`,
        "two parts": `${head}.${payload}`,
        "JWE with an iteration count of two billion": [
          encode({ alg: "PBES2-HS512+A256KW", enc: "A256GCM", p2c: 2_000_000_000, p2s: "AAAA", kid: header.kid }),
          "AAAA",
          "AAAA",
          "AAAA",
          "AAAA",
        ].join("."),
        "a name twice in the header": byAttacker({}, payload).replace(
          /^[^.]+/,
          encode(`{"alg":"none","alg":"ES256","typ":"${header.typ}","kid":"${header.kid}"}`),
        ),
        "payload no object": byAttacker(header, encode("[]")),
        "payload not UTF-8": byAttacker(header, Buffer.from([0xff, 0xfe]).toString("base64url")),
        "typ of another kind": await sign({}, kind === "workload" ? "at+jwt" : "wat+jwt"),
        "typ JWT": await sign({}, "JWT"),
        "typ with its prefix": await sign({}, `application/${header.typ}`),
        "typ in capitals": await sign({}, header.typ.toUpperCase()),
        "a proof's typ": await sign({}, "dpop+jwt"),
        "no typ": byAttacker({ alg: "ES256", kid: header.kid }, payload),
        "issuer of another tenant, our key": await sign({ iss: acme }),
        "issuer of another tenant, its key": await identity.signing.sign("acme", header.typ, claims),
        "issuer of nobody": await sign({ iss: "https://elsewhere.example" }),
        "issuer of a tenant that is none": await sign({ iss: `${testPublicUrl}/t/nobody` }),
        "issuer with a slash": await sign({ iss: `${testPublicUrl}/` }),
        "issuer a list": await sign({ iss: [testPublicUrl] }),
        "no issuer": await sign({ iss: undefined }),
        "not valid yet": await sign({ nbf: Number(claims.iat) + 3600 }),
        ended: await sign({ exp: Number(claims.iat) }),
        "ending never": await sign({ exp: undefined }),
        "ending in words": await sign({ exp: "tomorrow" }),
        "no jti": await sign({ jti: undefined }),
        "no sub": await sign({ sub: undefined }),
        "no aud": await sign({ aud: undefined }),
        huge: `${head}.${encode({ ...claims, pad: "x".repeat(20_000) })}.${signature}`,
        "huge and alone": "a".repeat(100_000),
        dots: ".".repeat(50_000),
        "deep JSON": byAttacker(header, encode(`${'{"a":'.repeat(100)}1${"}".repeat(100)}`)),
      };
      // A kind that checks one audience refuses every other; of `access` the door does.
      if (kind !== "access") forged["another audience"] = await sign({ aud: resource });
      for (const [what, bad] of Object.entries(forged)) {
        await expect(identity.tokens.verify(kind, bad), `${kind}: ${what}`).rejects.toMatchObject(dead);
      }
      await expect(identity.tokens.verify(kind, token), kind).resolves.toMatchObject({ tenant: "default" });
    }
    await identity.close();
  });

  test("of a claim that stands twice neither counts, though we signed it", async () => {
    const identity = await openIdentity(await fresh());
    const each = await oneOfEach(identity);
    for (const kind of accepted) {
      const claims = decodeJwt(each[kind]);
      const typ = decodeProtectedHeader(each[kind]).typ ?? "";
      const key = await identity.signing.keyFor("default", decodeProtectedHeader(each[kind]).kid ?? "");
      const twice = `{"sub":"agt_someone",${JSON.stringify(claims).slice(1)}`;
      const text = `${encode({ alg: "ES256", typ, kid: key?.id })}.${encode(twice)}`;
      const privateKey = key?.privateKey;
      if (!privateKey) throw new Error("There is a key.");
      const signature = createSign("sha256").update(text).sign({ key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url");
      await expect(identity.tokens.verify(kind, `${text}.${signature}`), kind).rejects.toMatchObject(dead);
    }
    await identity.close();
  });
});

describe("an access token that was taken back", () => {
  eachStore("by itself or with its grant", (fresh) => {
    test("is dead, and what other grants gave is not", async () => {
      const revoked = new Set<string | undefined>();
      const identity = await openIdentity(await fresh(), {
        isRevoked: (tenant, { jti, grantId }) =>
          Promise.resolve(revoked.has(`${tenant}/${jti}`) || (grantId !== undefined && revoked.has(`${tenant}/${grantId}`))),
      });
      const { tokens } = identity;
      const [one, two, alone] = await Promise.all([
        tokens.mint("access", "default", { ...base, grantId: "ogr_1" }),
        tokens.mint("access", "default", { ...base, grantId: "ogr_2" }),
        tokens.mint("access", "default", base),
      ]);
      for (const { token } of [one, two, alone]) await tokens.verify("access", token);
      revoked.add("default/ogr_1");
      await expect(tokens.verify("access", one.token)).rejects.toMatchObject(dead);
      await expect(tokens.verify("access", two.token)).resolves.toMatchObject({ grantId: "ogr_2" });
      revoked.add(`default/${alone.jti}`);
      await expect(tokens.verify("access", alone.token)).rejects.toMatchObject(dead);
      await expect(tokens.verify("access", two.token)).resolves.toMatchObject({ jti: two.jti });
      await identity.close();
    });
  });
});

eachStore("what is remembered of a token", (fresh) => {
  test("has one shape for all tokens of its kind", async () => {
    const identity = await openIdentity(await fresh());
    for (const kind of accepted)
      expect(await makesOneShape(async () => identity.tokens.verify(kind, (await oneOfEach(identity))[kind])), kind).toBe(true);
    await identity.close();
  });
});
