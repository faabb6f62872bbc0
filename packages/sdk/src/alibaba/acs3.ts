/** What a request is signed with. */
export interface SigningKey {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  /** Of temporary keys. */
  readonly securityToken?: string | undefined;
}

/** A request before it is signed. */
export interface Unsigned {
  readonly method: string;
  /** As it is sent, percent-encoded. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** By lower-case name; all of them are signed. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const algorithm = "ACS3-HMAC-SHA256";
const encoder = new TextEncoder();

const hex = (bytes: ArrayBuffer): string => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
const sha256 = async (text: string): Promise<string> => hex(await crypto.subtle.digest("SHA-256", encoder.encode(text)));

/** RFC 3986 2.3: only letters, digits and `-._~` stay as they are. */
export const percent = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);

/** The query as it is signed, and sent. */
export const canonicalQuery = (query: Readonly<Record<string, string>>): string =>
  Object.entries(query)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${percent(name)}=${percent(value)}`)
    .join("&");

/**
 * The headers that sign a request by Alibaba Cloud's third signature version: `authorization`, and those it covers beside the ones given.
 */
export const signedHeaders = async (request: Unsigned, key: SigningKey): Promise<Record<string, string>> => {
  const payload = await sha256(request.body);
  const added: Record<string, string> = {
    "x-acs-content-sha256": payload,
    ...(key.securityToken !== undefined && { "x-acs-accesskey-id": key.accessKeyId, "x-acs-security-token": key.securityToken }),
  };
  const headers = Object.entries({ ...request.headers, ...added }).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const names = headers.map(([name]) => name).join(";");
  const lines = headers.map(([name, value]) => `${name}:${value.trim()}\n`).join("");
  const canonical = [request.method, request.path, canonicalQuery(request.query), lines, names, payload].join("\n");
  const secret = encoder.encode(key.accessKeySecret);
  const hmac = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const signature = hex(await crypto.subtle.sign("HMAC", hmac, encoder.encode(`${algorithm}\n${await sha256(canonical)}`)));
  return { ...added, authorization: `${algorithm} Credential=${key.accessKeyId},SignedHeaders=${names},Signature=${signature}` };
};
