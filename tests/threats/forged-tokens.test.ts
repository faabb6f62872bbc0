import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestIssuer, type TestIssuer } from "../../packages/server/src/testing/openid.ts";
import { eachStore } from "../../packages/server/src/testing/stores.ts";
import { doors, noes } from "./doors.ts";
import { forgeriesOf, twistedOf } from "./forgeries.ts";
import { type EveryKind, openEveryKind, type TokenKind } from "./token-kinds.ts";

/** What a door takes that is signed, and so can be forged. */
const signed = (takes: readonly TokenKind[]): readonly TokenKind[] =>
  takes.filter((kind) => !["operator key", "API key", "client secret", "refresh token", "authorization code"].includes(kind));

const attacked = Object.entries(doors).filter(([, { takes }]) => signed(takes).length > 0);

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startTestIssuer();
});
afterAll(() => issuer.stop());

eachStore("a token that is forged or twisted", (fresh) => {
  let scene: EveryKind;
  beforeAll(async () => {
    scene = await openEveryKind(await fresh(), issuer);
  });
  afterAll(() => scene.close());

  test("is tried at every door that takes a signed one", () => {
    expect(attacked.length).toBeGreaterThanOrEqual(15);
  });

  describe.each(attacked)("at %s", (_name, { takes, put }) => {
    test("is refused: no algorithm, what is public as a secret, keys in the header, key ids, extensions, zero signatures, names that stand twice", async () => {
      const known = (["access token", "client assertion", "DPoP proof", "user token"] as const).map((kind) => {
        const { publicKey } = scene.signerOf(kind);
        return { jwk: publicKey.export({ format: "jwk" }), pem: publicKey.export({ type: "spki", format: "pem" }).toString() };
      });
      const taken: string[] = [];
      for (const kind of signed(takes)) {
        const live = await scene.make[kind]();
        const { straight, twisted } = twistedOf(live, scene.signerOf(kind).privateKey);
        for (const [what, text] of Object.entries({ ...forgeriesOf(live, known), ...twisted })) {
          const { status } = await put(scene, text);
          if (!noes.includes(status)) taken.push(`${kind}, ${what}: ${status}`);
        }
        // What it was made of still holds: it was refused for what was done to it.
        if (noes.includes((await put(scene, straight)).status)) taken.push(`${kind} itself was refused`);
      }
      expect(taken).toEqual([]);
    });
  });
});
