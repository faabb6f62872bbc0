import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestIssuer, type TestIssuer } from "../../packages/server/src/testing/openid.ts";
import { makeProver, type ProofOf, type Prover } from "../../packages/server/src/testing/prover.ts";
import { eachStore } from "../../packages/server/src/testing/stores.ts";
import { onPostgres, type OwnDatabase, ownDatabase } from "../replicas/database.ts";
import { asAdmin } from "../replicas/herd.ts";
import { type ServerProcess, serverProcess } from "../replicas/server-process.ts";
import { api, type EveryKind, issuerUrl, openEveryKind } from "./token-kinds.ts";

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/** What is sent to the token endpoint of one process or another. */
interface Sent {
  readonly form: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
}

onPostgres("what may be used once, on two server processes", () => {
  let database: OwnDatabase;
  let replicas: readonly [ServerProcess, ServerProcess];
  let issuer: TestIssuer;
  let client: Prover;
  let scout: { readonly id: string; readonly secret: string };

  const send = async (replica: ServerProcess, { form, headers = {} }: Sent) => {
    const answer = await fetch(`${replica.url}/oauth2/token`, { method: "POST", body: new URLSearchParams(form), headers });
    return { status: answer.status, text: await answer.text(), nonce: answer.headers.get("dpop-nonce") ?? undefined };
  };
  const basic = () => `Basic ${Buffer.from(`${scout.id}:${scout.secret}`).toString("base64")}`;
  const forApi = { grant_type: "client_credentials", resource: api };

  beforeAll(async () => {
    database = await ownDatabase();
    issuer = await startTestIssuer();
    const env = { LEGATE_DATABASE_URL: database.url };
    replicas = [await serverProcess(env), await serverProcess(env)];
    for (const replica of replicas) await replica.start();
    const [{ url }] = replicas;
    await asAdmin("POST", `${url}/v1/issuers`, { name: "corp", discoveryUrl: issuer.url, audiences: ["app"] });
    const { id } = await asAdmin("POST", `${url}/v1/agents`, { name: "scout", issuer: "corp" });
    const { clientSecret } = await asAdmin("POST", `${url}/v1/agents/scout/client-secrets`, {});
    scout = { id: String(id), secret: String(clientSecret) };
    client = await makeProver();
    await asAdmin("POST", `${url}/v1/agents/scout/client-keys`, { jwk: { ...client.jwk, kid: "key-1" } });
    await asAdmin("POST", `${url}/v1/resources`, { name: "api", identifier: api, agents: ["scout"], scopes: [{ name: "read" }] });
  }, 120_000);
  afterAll(async () => {
    for (const replica of replicas) await replica.kill();
    await issuer.stop();
    await database.drop();
  });

  const proofs: Readonly<Record<string, () => Promise<Sent>>> = {
    "a client's assertion": async () => {
      const exp = Math.floor(Date.now() / 1000) + 60;
      const assertion = await client.signed({ jti: randomUUID(), iss: scout.id, sub: scout.id, aud: issuerUrl, exp }, { kid: "key-1" });
      return { form: { ...forApi, client_assertion: assertion, client_assertion_type: assertionType } };
    },
    "an assertion about a user": async () => ({
      form: {
        grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
        resource: api,
        assertion: await issuer.sign({ sub: "alice", aud: issuerUrl, jti: randomUUID() }),
      },
      headers: { authorization: basic() },
    }),
    "a proof of possession": async () => {
      const [one] = replicas;
      const prover = await makeProver();
      const url = `${issuerUrl}/oauth2/token`;
      const asked = await send(one, { form: forApi, headers: { authorization: basic(), dpop: await prover.proof({ url }) } });
      const dpop = await prover.proof({ url, nonce: asked.nonce });
      return { form: forApi, headers: { authorization: basic(), dpop } };
    },
  };

  describe.each(Object.entries(proofs))("%s", (_name, make) => {
    test("is used once, whichever process it is brought to next", async () => {
      const [one, two] = replicas;
      for (const [first, then] of [
        [one, two],
        [two, one],
      ] as const) {
        const proof = await make();
        expect((await send(first, proof)).status).toBe(200);
        expect([400, 401]).toContain((await send(then, proof)).status);
        expect([400, 401]).toContain((await send(first, proof)).status);
      }
    });

    test("is used once, however many bring it to both at the same moment", async () => {
      for (let round = 0; round < 5; round += 1) {
        const proof = await make();
        const answers = await Promise.all([...replicas, ...replicas, ...replicas].map((replica) => send(replica, proof)));
        expect(answers.map(({ status }) => status).filter((status) => status === 200)).toHaveLength(1);
        expect(answers.filter(({ status }) => status >= 500)).toEqual([]);
      }
    });

    test("stays used after the process that took it was killed", async () => {
      const [one, two] = replicas;
      const proof = await make();
      expect((await send(one, proof)).status).toBe(200);
      await one.kill();
      const elsewhere = await send(two, proof);
      await one.start();
      expect([400, 401]).toContain(elsewhere.status);
      expect([400, 401]).toContain((await send(one, proof)).status);
    });
  });

  test("a nonce of one process is known to the other", async () => {
    const prover = await makeProver();
    const url = `${issuerUrl}/oauth2/token`;
    for (const [from, to] of [replicas, [...replicas].reverse()] as [ServerProcess, ServerProcess][]) {
      const asked = await send(from, { form: forApi, headers: { authorization: basic(), dpop: await prover.proof({ url }) } });
      expect(asked.status).toBe(400);
      expect(asked.text).toContain("use_dpop_nonce");
      const again = { form: forApi, headers: { authorization: basic(), dpop: await prover.proof({ url, nonce: asked.nonce }) } };
      expect((await send(to, again)).status).toBe(200);
    }
  });
});

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startTestIssuer();
});
afterAll(() => issuer.stop());

eachStore("a stolen or stale proof of possession", (fresh) => {
  let scene: EveryKind;
  let prover: Prover;
  let bound: string;
  const tokenUrl = `${issuerUrl}/oauth2/token`;
  const userinfoUrl = `${issuerUrl}/oauth2/userinfo`;

  const proof = (some: Partial<ProofOf> = {}) =>
    prover.proof({ url: tokenUrl, at: scene.hand.clock(), nonce: scene.house.dpop.nonce("default"), ...some });
  const atToken = async (dpop: string | undefined) =>
    scene.token(scene.scout, { grant_type: "client_credentials", resource: api }, dpop === undefined ? {} : { dpop });
  const atUserinfo = (headers: Readonly<Record<string, string>>) =>
    scene.http.app.inject({ method: "GET", url: "/oauth2/userinfo", headers });

  beforeAll(async () => {
    scene = await openEveryKind(await fresh(), issuer);
    prover = await makeProver();
    const { body } = await scene.redeemed(
      scene.scout,
      { client: scene.scout.id, user: { id: scene.alice.id, epoch: scene.alice.epoch }, resource: userinfoUrl, scopes: ["openid"] },
      { dpop: await proof() },
    );
    bound = body.access_token ?? "";
  });
  afterAll(() => scene.close());

  test("is refused at the token endpoint: another address, another method, an hour old, an hour ahead, another's signature", async () => {
    const bad: Readonly<Record<string, string>> = {
      "another address": await proof({ url: userinfoUrl }),
      "another server's address": await proof({ url: "https://other.example/oauth2/token" }),
      "another method": await proof({ method: "GET" }),
      "an hour old": await proof({ at: scene.hand.clock() - 3_600_000 }),
      "a little too old": await proof({ at: scene.hand.clock() - 61_000 }),
      "an hour ahead": await proof({ at: scene.hand.clock() + 3_600_000 }),
      "another's key in the header": await proof({ header: { jwk: (await makeProver()).jwk } }),
      "two proofs": `${await proof()}, ${await proof()}`,
    };
    for (const [what, dpop] of Object.entries(bad)) {
      const { status, body } = await atToken(dpop);
      expect([status, body.error], what).toEqual([400, "invalid_dpop_proof"]);
      expect(body.access_token).toBeUndefined();
    }
    expect((await atToken(await proof())).body.token_type).toBe("DPoP");
  });

  test("is told the nonce to use, takes it, and is refused once the nonce is past", async () => {
    for (const nonce of [undefined, "made-up"]) {
      const asked = await atToken(await proof({ nonce }));
      expect([asked.status, asked.body.error]).toEqual([400, "use_dpop_nonce"]);
      expect(asked.headers["dpop-nonce"]).toBe(scene.house.dpop.nonce("default"));
    }
    const old = scene.house.dpop.nonce("default");
    scene.hand.forward(4 * 60_000);
    const late = await atToken(await proof({ nonce: old }));
    expect([late.status, late.body.error]).toEqual([400, "use_dpop_nonce"]);
    expect((await atToken(await proof({ nonce: String(late.headers["dpop-nonce"]) }))).status).toBe(200);
  });

  test("is refused beside an access token: as a bearer token, of another key, of another token, for another address or method, a second time", async () => {
    const right = { url: userinfoUrl, method: "GET", accessToken: bound };
    const other = await makeProver();
    const others = await other.proof({ ...right, at: scene.hand.clock(), nonce: scene.house.dpop.nonce("default") });
    const bad: Readonly<Record<string, readonly [string, string | undefined, string]>> = {
      "as a bearer token": ["Bearer", undefined, "invalid_token"],
      "as a bearer token, with its proof": ["Bearer", await proof(right), "invalid_token"],
      "without a proof": ["DPoP", undefined, "invalid_dpop_proof"],
      "another key": ["DPoP", others, "invalid_dpop_proof"],
      "another token": ["DPoP", await proof({ ...right, accessToken: `${bound}x` }), "invalid_dpop_proof"],
      "no token": ["DPoP", await proof({ ...right, accessToken: undefined }), "invalid_dpop_proof"],
      "another address": ["DPoP", await proof({ ...right, url: tokenUrl }), "invalid_dpop_proof"],
      "another method": ["DPoP", await proof({ ...right, method: "POST" }), "invalid_dpop_proof"],
      "too old": ["DPoP", await proof({ ...right, at: scene.hand.clock() - 61_000 }), "invalid_dpop_proof"],
      "without a nonce": ["DPoP", await proof({ ...right, nonce: undefined }), "use_dpop_nonce"],
    };
    for (const [what, [scheme, dpop, error]] of Object.entries(bad)) {
      const answer = await atUserinfo({ authorization: `${scheme} ${bound}`, ...(dpop !== undefined && { dpop }) });
      expect([answer.statusCode, answer.headers["www-authenticate"]], what).toEqual([401, expect.stringContaining(`error="${error}"`)]);
    }
    const dpop = await proof(right);
    expect((await atUserinfo({ authorization: `DPoP ${bound}`, dpop })).statusCode).toBe(200);
    expect((await atUserinfo({ authorization: `DPoP ${bound}`, dpop })).statusCode).toBe(401);
  });
});
