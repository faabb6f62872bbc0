import { createHash, createHmac, randomBytes } from "node:crypto";

/** What is signed, and with which key. */
export interface ToSign {
  readonly accessKeyId: string;
  readonly secret: string;
  readonly securityToken?: string | undefined;
  /** POST, unless given. */
  readonly method?: string;
  /** `/`, unless given. */
  readonly path?: string;
  readonly query?: Readonly<Record<string, string>>;
  /** The headers `x-acs-action` and `x-acs-version`, for short. */
  readonly action?: string;
  readonly version?: string;
  /** More headers to sign, or others than would be sent; names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Text or bytes as they are, or the fields of a form. */
  readonly body?: string | Buffer | Readonly<Record<string, string>>;
  /** Milliseconds since 1970; now, unless given. */
  readonly date?: number;
  readonly nonce?: string;
}

/** A signed request as it goes over the wire. */
export interface SignedWire {
  readonly method: string;
  readonly path: string;
  /** Without the question mark. */
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Names and values in turn. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

// RFC 3986 2.3, written apart from the server's own.
const escape = (text: string): string =>
  [...Buffer.from(text, "utf8")]
    .map((byte) =>
      /[A-Za-z0-9\-_.~]/.test(String.fromCharCode(byte))
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).padStart(2, "0").toUpperCase()}`,
    )
    .join("");

const hexHash = (bytes: string | Buffer): string => createHash("sha256").update(bytes).digest("hex");

const bytesOf = (body: ToSign["body"] = ""): Buffer => {
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === "string" ? body : new URLSearchParams(body).toString(), "utf8");
};

/** Signs as ACS3-HMAC-SHA256 does (wire/alibaba 2.1): every header that is sent, and the whole body. */
export const signRequest = (ask: ToSign): SignedWire => {
  const { method = "POST", path = "/", query: fields = {}, date = Date.now(), nonce = randomBytes(16).toString("hex") } = ask;
  const body = bytesOf(ask.body);
  const hash = hexHash(body);
  const headers: Record<string, string> = {
    host: "127.0.0.1:8700",
    accept: "application/json",
    "content-type": "application/x-www-form-urlencoded",
    "user-agent": "AlibabaCloud (Linux; x86_64) Legate/tests",
    ...(ask.action !== undefined && { "x-acs-action": ask.action }),
    ...(ask.version !== undefined && { "x-acs-version": ask.version }),
    "x-acs-date": new Date(date).toISOString().replace(/\.\d{3}Z$/, "Z"),
    "x-acs-signature-nonce": nonce,
    "x-acs-content-sha256": hash,
    ...(ask.securityToken !== undefined && { "x-acs-accesskey-id": ask.accessKeyId, "x-acs-security-token": ask.securityToken }),
    ...ask.headers,
  };
  const names = Object.keys(headers).sort();
  const query = Object.keys(fields)
    .sort()
    .map((name) => `${escape(name)}=${escape(fields[name] ?? "")}`)
    .join("&");
  const canonical = [
    method,
    path,
    query,
    ...names.map((name) => `${name}:${(headers[name] ?? "").trim()}`),
    "",
    names.join(";"),
    hash,
  ].join("\n");
  const signature = createHmac("sha256", ask.secret)
    .update(`ACS3-HMAC-SHA256\n${hexHash(canonical)}`)
    .digest("hex");
  const authorization = `ACS3-HMAC-SHA256 Credential=${ask.accessKeyId},SignedHeaders=${names.join(";")},Signature=${signature}`;
  const sent = { ...headers, authorization };
  return { method, path, query, headers: sent, rawHeaders: Object.entries(sent).flat(), body };
};
