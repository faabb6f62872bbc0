import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { Refusal } from "../../ground/kernel/index.ts";
import { isTemporaryKeyId } from "./access-key.ts";

/** A request as it came over the wire, before anybody read anything into it. */
export interface SignedRequest {
  readonly method: string;
  /** As the client signed it. */
  readonly path: string;
  /** What else it may have signed: its address may have a part of which its own library knows nothing. */
  readonly alsoPath?: string | undefined;
  /** As it came, without the question mark. */
  readonly query: string;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

/** What a signed request says of itself. Nothing of it is true until the signature {@link holds}. */
export interface Signature {
  readonly keyId: string;
  /** When the client says it is, in milliseconds since 1970. */
  readonly at: number;
  readonly nonce: string;
  readonly securityToken: string | undefined;
  readonly signature: Buffer;
  /** The texts one of which was signed. */
  readonly signed: readonly string[];
}

const algorithm = "ACS3-HMAC-SHA256";
const form =
  /^ACS3-HMAC-SHA256 +Credential=([\x21-\x2b\x2d-\x7e]{1,128}),SignedHeaders=([!#$%&'*+.^_`|~0-9a-z;-]+),Signature=([0-9a-f]{64})$/;
const moment = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/**
 * Without these in it a signature would hold for another action, another body, another time or a second time. The host is demanded as the original's
 * servers do, and compared with nothing: behind proxies nobody knows by which names a server is called.
 */
const demanded = ["host", "x-acs-action", "x-acs-date", "x-acs-content-sha256", "x-acs-signature-nonce"];

const unsigned = (): Refusal =>
  new Refusal("unauthenticated", `Sign the request: \`Authorization: ${algorithm} Credential=...,SignedHeaders=...,Signature=...\`.`);

const mismatch = (message: string, details: Readonly<Record<string, unknown>>): Refusal =>
  new Refusal("signature_mismatch", message, details);

/** By lower-case name, every value as it came. */
const byName = (rawHeaders: readonly string[]): ReadonlyMap<string, readonly string[]> => {
  const found = new Map<string, string[]>();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? "").toLowerCase();
    const value = rawHeaders[at + 1] ?? "";
    const values = found.get(name);
    if (values) values.push(value);
    else found.set(name, [value]);
  }
  return found;
};

const authorizationIn = (headers: ReadonlyMap<string, readonly string[]>) => headers.get("authorization") ?? [];

/** Whether a request names a temporary key as the one that signed it, also where there is no such key. */
export const namesTemporaryKey = (request: Pick<SignedRequest, "rawHeaders">): boolean => isTemporaryKeyId(keyIdIn(request));

/** The key that a request says it is signed with, whatever else it holds; empty where it names none. */
export const keyIdIn = ({ rawHeaders }: Pick<SignedRequest, "rawHeaders">): string => {
  const [authorization = ""] = authorizationIn(byName(rawHeaders));
  const [, keyId = ""] = form.exec(authorization.trim()) ?? [];
  return keyId;
};

/** RFC 3986 2.3: only unreserved characters stay. `encodeURIComponent` leaves five others bare. */
const percent = (text: string): string =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (bare) => `%${bare.charCodeAt(0).toString(16).toUpperCase()}`);

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw mismatch("The query is not percent-encoded UTF-8.", { reason: "query" });
  }
};

/** The query as it is signed: decoded, encoded anew, and sorted by name; those of one name stay as they came. */
export const canonicalQuery = (query: string): string =>
  query
    .split("&")
    .filter((piece) => piece !== "")
    .map((piece) => {
      const cut = piece.indexOf("=");
      const name = decoded(cut === -1 ? piece : piece.slice(0, cut));
      return { name, value: cut === -1 ? "" : decoded(piece.slice(cut + 1)) };
    })
    .sort((one, other) => (one.name < other.name ? -1 : Number(one.name > other.name)))
    .map(({ name, value }) => `${percent(name)}=${percent(value)}`)
    .join("&");

const sha256 = (bytes: string | Buffer): string => createHash("sha256").update(bytes).digest("hex");

/** Whether a list of names is written in the one way there is: in order, each once. */
const isInOrder = (names: readonly string[]): boolean =>
  names.every((name, at) => name !== "" && (at === 0 || (names[at - 1] ?? "") < name));

/**
 * Reads what a signed request says of itself, with whatever set of headers its client signed.
 * @throws Refusal unauthenticated where it is not signed at all; request_time_skewed where it has no time; signature_mismatch where no signature could
 * hold: a header that must be signed is not, one that is signed is not there or there twice, or the body is another than its hash says
 */
export const readSignature = ({ method, path, alsoPath, query, rawHeaders, body }: SignedRequest): Signature => {
  const headers = byName(rawHeaders);
  const [authorization, another] = authorizationIn(headers);
  const [, keyId, list, signature] = form.exec(authorization?.trim() ?? "") ?? [];
  if (another !== undefined || keyId === undefined || list === undefined || signature === undefined) throw unsigned();

  const names = list.split(";");
  if (!isInOrder(names)) throw mismatch("The signed headers are not listed in order, each once.", { reason: "signed_headers" });
  const signed = new Map<string, string>();
  for (const name of names) {
    const values = headers.get(name) ?? [];
    const [value] = values;
    if (value === undefined) throw mismatch(`The header ${name} is signed, and is not there.`, { reason: "missing", header: name });
    if (values.length > 1)
      throw mismatch(`The header ${name} is signed, and stands there more than once.`, { reason: "repeated", header: name });
    signed.set(name, value.trim());
  }
  // Whatever this server might act on is signed, or the request is none.
  const needed = [...demanded, ...[...headers.keys()].filter((name) => name.startsWith("x-acs-"))];
  const missing = needed.find((name) => !signed.has(name));
  if (missing !== undefined) throw mismatch(`The header ${missing} must be signed.`, { reason: "unsigned", header: missing });

  const said = (name: string): string => signed.get(name) ?? "";
  const hash = said("x-acs-content-sha256");
  if (hash !== sha256(body)) throw mismatch("The body is not the one that was signed.", { reason: "body" });
  const named = signed.get("x-acs-accesskey-id");
  if (named !== undefined && named !== keyId) throw mismatch("The request names two access keys.", { reason: "access_key_id" });
  const nonce = said("x-acs-signature-nonce");
  if (nonce === "") throw mismatch("The nonce is empty.", { reason: "nonce" });
  const date = said("x-acs-date");
  const at = moment.test(date) ? Date.parse(date) : Number.NaN;
  if (Number.isNaN(at)) throw new Refusal("request_time_skewed", "`x-acs-date` is no time: write YYYY-MM-DDThh:mm:ssZ.");

  const lines = names.map((name) => `${name}:${said(name)}\n`).join("");
  const rest = `${canonicalQuery(query)}\n${lines}\n${list}\n${hash}`;
  return {
    keyId,
    at,
    nonce,
    securityToken: said("x-acs-security-token") || undefined,
    signature: Buffer.from(signature, "hex"),
    signed: [path, ...(alsoPath === undefined || alsoPath === path ? [] : [alsoPath])].map(
      (each) => `${algorithm}\n${sha256(`${method}\n${each}\n${rest}`)}`,
    ),
  };
};

/** Whether it was made with this secret: compared in constant time. */
export const holds = ({ signature, signed }: Signature, secret: string): boolean =>
  signed.some((text) => timingSafeEqual(createHmac("sha256", secret).update(text, "utf8").digest(), signature));
