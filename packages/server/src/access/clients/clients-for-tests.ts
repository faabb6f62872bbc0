import { generateKeyPairSync, type JsonWebKey, type KeyObject, randomBytes } from "node:crypto";
import { SignJWT } from "jose";
import type { StoreAddress } from "../../ground/db/index.ts";
import { openTestHouse } from "../../testing/house.ts";
import { testPublicUrl } from "../../testing/identity.ts";
import { adminOf, handClock } from "../../testing/stores.ts";
import type { ClientProof } from "./client.ts";
import { jwtBearer } from "./client-proof.ts";

export const admin = adminOf("default");

/** What a request brings that brings nothing, with some of it. */
export const proofOf = (given: Partial<ClientProof> = {}): ClientProof => ({
  authorization: undefined,
  clientId: undefined,
  clientSecret: undefined,
  clientAssertion: undefined,
  clientAssertionType: undefined,
  tenant: undefined,
  requestId: "req_1",
  address: "192.0.2.1",
  ...given,
});

/** RFC 6749 2.3.1. */
export const basic = (clientId: string, secret: string): string =>
  `Basic ${Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(secret)}`).toString("base64")}`;

export const asserted = (assertion: string): Partial<ClientProof> => ({ clientAssertion: assertion, clientAssertionType: jwtBearer });

export type Jwk = JsonWebKey & Record<string, unknown>;

/** A key pair of a client, and how it signs an assertion with it. */
export const clientPair = (pair = generateKeyPairSync("ec", { namedCurve: "P-256" }), alg = "ES256") => ({
  jwk: pair.publicKey.export({ format: "jwk" }) as Jwk,
  privateKey: pair.privateKey,
  /** @param claims Beside, or instead of, those that a good assertion has; `undefined` takes one away. */
  assert: (
    clientId: string,
    now: number,
    claims: Readonly<Record<string, unknown>> = {},
    header: Readonly<Record<string, unknown>> = {},
    key: KeyObject = pair.privateKey,
  ): Promise<string> => {
    const seconds = Math.floor(now / 1000);
    const all = {
      iss: clientId,
      sub: clientId,
      aud: testPublicUrl,
      iat: seconds,
      exp: seconds + 60,
      jti: randomBytes(8).toString("hex"),
      ...claims,
    };
    return new SignJWT(all).setProtectedHeader({ alg, ...header }).sign(key);
  },
});

/** The house with one agent that has a secret and a key, and one app. */
export const openClients = async (address: StoreAddress) => {
  const hand = handClock();
  const house = await openTestHouse(address, { clock: hand.clock });
  const agent = await house.agents.create(admin, { name: "scout", title: "The Scout", allowedReturnUrls: ["https://scout.example/cb"] });
  const { clientSecret } = await house.agents.createClientSecret(admin, "scout", {});
  const pair = clientPair();
  await house.agents.createClientKey(admin, "scout", { jwk: pair.jwk });
  const app = await house.clients.apps.create(admin, { name: "notes", redirectUris: ["https://notes.example/cb"] });
  return { ...house, hand, agent, clientSecret, pair, app };
};
export type OpenClients = Awaited<ReturnType<typeof openClients>>;
