import { Refusal } from "../../ground/kernel/index.ts";
import type { ClientProof } from "./client.ts";

/** How a client id was vouched for, read but not checked. */
export type Presented =
  | { readonly method: "client_secret_basic" | "client_secret_post"; readonly clientId: string; readonly secret: string }
  /** The id stands in the assertion; beside it, it must be the same. */
  | { readonly method: "private_key_jwt"; readonly clientId: string | undefined; readonly assertion: string }
  | { readonly method: "none"; readonly clientId: string };

/** RFC 7523 2.2. */
export const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/** Longer than any client id, secret or assertion of ours; what is longer is not even decoded. */
const longest = 16_384;

/** One answer for a client that is unknown, one that did not prove itself, and one that may act no more. */
export const unauthenticated = (): Refusal => new Refusal("client_unauthenticated", "The client is unknown, or did not prove itself.");

const twoWays = () => new Refusal("invalid_request", "The client proves itself in more than one way; RFC 6749 2.3 allows one.");

/** RFC 6749 appendix B; undefined for what is not encoded so. */
const formDecoded = (text: string): string | undefined => {
  try {
    const decoded = decodeURIComponent(text.replaceAll("+", " "));
    return decoded.includes("\0") ? undefined : decoded;
  } catch {
    return undefined;
  }
};

/** RFC 6749 2.3.1: id and secret are form-encoded, then joined as RFC 7617 does. */
const basicIn = (authorization: string): { readonly clientId: string; readonly secret: string } => {
  const [, encoded] = /^Basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(authorization) ?? [];
  if (encoded === undefined || encoded.length > longest) throw unauthenticated();
  const joined = Buffer.from(encoded, "base64").toString("latin1");
  const colon = joined.indexOf(":");
  // What is form-encoded is ASCII.
  if (colon < 1 || !/^[\x20-\x7e]*$/.test(joined)) throw unauthenticated();
  const clientId = formDecoded(joined.slice(0, colon));
  const secret = formDecoded(joined.slice(colon + 1));
  if (clientId === undefined || clientId === "" || secret === undefined) throw unauthenticated();
  return { clientId, secret };
};

/** RFC 6749 3.2: a parameter without a value counts as left out. */
const given = (text: string | undefined): string | undefined => {
  if (text === undefined || text === "") return undefined;
  if (text.length > longest) throw unauthenticated();
  return text;
};

/**
 * Which client a request names, and by what.
 * @throws Refusal invalid_request for more than one method at once; client_unauthenticated where no client is named, or not in a way that can be read
 */
export const presentedBy = (proof: ClientProof): Presented => {
  const clientId = given(proof.clientId);
  const secret = given(proof.clientSecret);
  const assertion = given(proof.clientAssertion);
  const assertionType = given(proof.clientAssertionType);
  const ways = [proof.authorization, secret, assertion ?? assertionType].filter((way) => way !== undefined);
  if (ways.length > 1) throw twoWays();
  if (proof.authorization !== undefined) {
    const basic = basicIn(proof.authorization);
    // RFC 6749 4.1.3: an id beside the header says the same, or it is a second client.
    if (clientId !== undefined && clientId !== basic.clientId) throw twoWays();
    // RFC 6749 2.3.1 lets a client without a secret send an empty one.
    return basic.secret === "" ? { method: "none", clientId: basic.clientId } : { method: "client_secret_basic", ...basic };
  }
  if (assertion !== undefined || assertionType !== undefined) {
    if (assertion === undefined || assertionType !== jwtBearer) {
      throw new Refusal("invalid_request", `Send \`client_assertion\` with \`client_assertion_type\` ${jwtBearer}.`);
    }
    return { method: "private_key_jwt", clientId, assertion };
  }
  if (clientId === undefined) throw unauthenticated();
  return secret === undefined ? { method: "none", clientId } : { method: "client_secret_post", clientId, secret };
};
