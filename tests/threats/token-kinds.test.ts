import { type Operation, operations, type Right } from "@legate/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Kind, kinds } from "../../packages/server/src/identity/tokens/index.ts";
import { startTestIssuer, type TestIssuer } from "../../packages/server/src/testing/openid.ts";
import { eachStore } from "../../packages/server/src/testing/stores.ts";
import { headerOf } from "../tenants/many-tenants.ts";
import { doors, noes } from "./doors.ts";
import { type EveryKind, minted, openEveryKind, type TokenKind } from "./token-kinds.ts";

/** Which rights of our own wire a kind stands for; a kind that is not here stands for none. */
const rightsOf: Readonly<Partial<Record<TokenKind, readonly Right[]>>> = {
  "operator key": ["installation-admin", "admin"],
  "API key": ["agent"],
  "user token": ["user-token"],
  "workload token": ["workload-token"],
  "workload token for a user": ["workload-token"],
};

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startTestIssuer();
});
afterAll(() => issuer.stop());

eachStore("a credential of any kind", (fresh) => {
  let scene: EveryKind;
  beforeAll(async () => {
    scene = await openEveryKind(await fresh(), issuer);
  });
  afterAll(() => scene.close());
  const all = () => Object.entries(scene.make) as [TokenKind, () => Promise<string>][];

  describe.each(Object.entries(doors))("at %s", (_name, { takes, put }) => {
    test("is taken if it is of the kind that is meant, and of no other", async () => {
      const taken: Record<string, number> = {};
      for (const [kind, make] of all()) {
        const { status } = await put(scene, await make());
        // A fault of ours would pass for a no.
        if (!noes.includes(status)) taken[kind] = status;
      }
      expect(Object.keys(taken).sort(), JSON.stringify(taken)).toEqual([...takes].sort());
      for (const status of Object.values(taken)) expect([200, 404]).toContain(status);
    });
  });

  describe.each(Object.values<Operation>(operations).map((op) => [op.id, op] as const))("at %s of our wire", (_id, op) => {
    test("is taken where it stands for a right that is asked for", async () => {
      const wrong: string[] = [];
      for (const [kind, make] of all()) {
        const { statusCode, body } = await scene.http.app.inject({
          method: op.method,
          url: `${op.path.replaceAll(/\{\w+\}/g, "nothing-there")}?no-operation-takes-this=1`,
          headers: { authorization: `Bearer ${await make()}` },
        });
        const mayAsk = op.rights.includes("anyone") || op.rights.some((right) => rightsOf[kind]?.includes(right));
        // 400 is said of what does not parse, to who may ask.
        const expected = mayAsk ? [400] : [401, 403];
        if (!expected.includes(statusCode)) wrong.push(`${kind}: ${statusCode} ${body.slice(0, 200)}`);
      }
      expect(wrong).toEqual([]);
    });
  });

  test("that we mint is among those that were tried, under the type that is its own; three of them no door of ours takes", async () => {
    const untaken: string[] = [];
    for (const [kind, tried] of Object.entries(minted) as [Kind, TokenKind][]) {
      expect(headerOf(await scene.make[tried]())["typ"]).toBe(kinds[kind].typ);
      const atDoors = Object.values(doors).some(({ takes }) => takes.includes(tried));
      if (!atDoors && rightsOf[tried] === undefined) untaken.push(kind);
    }
    expect(untaken).toEqual(["id", "web_identity", "client_assertion"]);
  });

  test("is answered by revocation as any other, and taken back only where it is an access token, of whichever door, or a refresh token of the client's own", async () => {
    const lives: Readonly<Partial<Record<TokenKind, keyof typeof doors>>> = {
      "operator key": "our wire, as an operator's key",
      "API key": "Coze's skill environments",
      "client secret": "the token endpoint, as a client secret",
      "client assertion": "the token endpoint, as a client assertion",
      "user token": "our wire, as a user's token beside an operator's key",
      "user assertion": "the token endpoint, as an assertion about a user",
      "workload token": "the token endpoint, as a subject token of type jwt",
      "authorization code": "the token endpoint, as a code",
      "Coze ID token": "Coze's token endpoint, as a subject token",
      "Coze access token": "Coze's environment",
      "DPoP proof": "the token endpoint, as a proof of possession",
      "access token": "introspection, as the token that is asked about",
      "refresh token": "introspection, as the token that is asked about",
    };
    const bodies = new Set<string>();
    const ended: string[] = [];
    for (const [kind, door] of Object.entries(lives) as [TokenKind, string][]) {
      const text = await scene.make[kind]();
      const answer = await scene.revoke(scene.scout, { token: text });
      expect(answer.status).toBe(200);
      bodies.add(answer.text);
      if (noes.includes((await doors[door]?.put(scene, text))?.status ?? 500)) ended.push(kind);
    }
    expect(ended).toEqual(["Coze access token", "access token", "refresh token"]);
    expect(bodies.size).toBe(1);
  });
});
