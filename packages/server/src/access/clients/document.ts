import { createHash } from "node:crypto";
import { parseStrictObject } from "../../ground/kernel/index.ts";
import { grantTypesOfApps } from "./app.ts";
import type { Client } from "./client.ts";
import { faultOfRedirectUri, isLoopback } from "./redirect-uri.ts";

/** A client metadata document as it is kept: of what it said, what is used. */
export interface ClientDocument {
  readonly name: string;
  readonly redirectUris: readonly string[];
  readonly grantTypes: readonly string[];
  /** The client's own page, where it is at the origin of its id. */
  readonly uri?: string | undefined;
}

/** What a document was refused for. */
export type DocumentFault =
  | "malformed"
  | "client_id"
  | "auth_method"
  | "secret"
  | "redirect_uris"
  | "grant_types"
  | "response_types"
  | "name";

/** Thrown by {@link parseDocument}. */
export class DocumentRefused extends Error {
  readonly reason: DocumentFault;
  constructor(reason: DocumentFault) {
    super(`The client's metadata document was refused: ${reason}.`);
    this.reason = reason;
  }
}

const mostRedirectUris = 50;
const longestName = 200;
/** RFC 7591 2: what nobody should be asked for again and nobody should be told anew may change; all of this may not. */
const consentedTo = ["client_name", "client_uri", "logo_uri", "tos_uri", "policy_uri", "redirect_uris", "grant_types", "jwks", "jwks_uri"];
const secretMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

const isTexts = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every((each) => typeof each === "string");

/** Members in one order, at every depth: a document that was only written otherwise says the same. */
const canonical = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, member]) => [name, canonical(member)]),
  );
};

/** Keys may stand in a document that proves nothing by them; private ones may not. */
const holdsPrivateKey = (jwks: unknown): boolean => {
  const keys: unknown = typeof jwks === "object" && jwks !== null && "keys" in jwks ? jwks.keys : [];
  return (
    Array.isArray(keys) && keys.some((key) => typeof key === "object" && key !== null && secretMembers.some((member) => member in key))
  );
};

/** A private-use scheme that only whoever has the host of the client's id may take (RFC 8252 7.1). */
const isOwnScheme = (uri: string, host: string): boolean => {
  const [scheme = ""] = uri.split(":", 1);
  const reversed = host.split(".").reverse().join(".");
  return scheme === reversed || scheme.startsWith(`${reversed}.`);
};

/** Draft 8.1: at its own origin, at its own scheme, or on the person's own machine; nobody sends people to a place of others. */
const mayRedirect = (uri: string, clientId: URL): boolean => {
  if (faultOfRedirectUri(uri) !== undefined) return false;
  if (isLoopback(uri)) return true;
  return uri.startsWith("https:") ? new URL(uri).origin === clientId.origin : isOwnScheme(uri, clientId.hostname);
};

const grantTypesIn = (given: unknown): readonly string[] => {
  if (given === undefined) return grantTypesOfApps;
  if (!isTexts(given) || !given.includes("authorization_code")) throw new DocumentRefused("grant_types");
  return grantTypesOfApps.filter((type) => given.includes(type));
};

const nameIn = (given: unknown, clientId: URL): string => {
  if (given === undefined) return clientId.host;
  const isFit = typeof given === "string" && given.length <= longestName && given.isWellFormed() && given.trim() !== "";
  // Unseen characters could make one name look like another, or turn the sentence around that it stands in.
  if (!isFit || /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(given)) throw new DocumentRefused("name");
  return given;
};

const uriIn = (given: unknown, clientId: URL): string | undefined =>
  typeof given === "string" && URL.canParse(given) && new URL(given).origin === clientId.origin ? new URL(given).href : undefined;

/**
 * Reads a client metadata document (draft-ietf-oauth-client-id-metadata-document 4). Redirect URIs that the client may not have are left out.
 * @param clientId The URL that it was asked for by.
 * @returns with the hash of all that a person consents to
 * @throws DocumentRefused
 */
export const parseDocument = (text: string, clientId: string): { readonly document: ClientDocument; readonly hash: string } => {
  const read = (() => {
    try {
      return parseStrictObject(text);
    } catch {
      throw new DocumentRefused("malformed");
    }
  })();
  const url = new URL(clientId);
  // Simple string comparison (RFC 3986 6.2.1).
  if (read["client_id"] !== clientId) throw new DocumentRefused("client_id");
  if ("client_secret" in read || "client_secret_expires_at" in read || holdsPrivateKey(read["jwks"])) throw new DocumentRefused("secret");
  if (!["none", undefined].includes(read["token_endpoint_auth_method"] as string | undefined)) throw new DocumentRefused("auth_method");
  const responseTypes = read["response_types"];
  if (responseTypes !== undefined && !(isTexts(responseTypes) && responseTypes.includes("code")))
    throw new DocumentRefused("response_types");
  const given = read["redirect_uris"];
  if (!isTexts(given) || given.length > mostRedirectUris) throw new DocumentRefused("redirect_uris");
  const redirectUris = [...new Set(given)].filter((uri) => mayRedirect(uri, url));
  if (redirectUris.length === 0) throw new DocumentRefused("redirect_uris");
  const document: ClientDocument = {
    name: nameIn(read["client_name"], url),
    redirectUris,
    grantTypes: grantTypesIn(read["grant_types"]),
    uri: uriIn(read["client_uri"], url),
  };
  const said = consentedTo.map((member) => canonical(read[member] ?? null));
  return { document, hash: createHash("sha256").update(JSON.stringify(said)).digest("base64url") };
};

/** The client that a document describes. */
export const clientOfDocument = (tenant: string, id: string, document: ClientDocument, hash: string): Client => ({
  tenant,
  id,
  kind: "document",
  name: document.name,
  redirectUris: document.redirectUris,
  grantTypes: document.grantTypes,
  scopes: undefined,
  agent: undefined,
  issuerId: undefined,
  version: hash,
  about: { uri: document.uri },
});
