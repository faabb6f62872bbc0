import { signRequest } from "../../packages/server/src/testing/acs3.ts";

/** Whose access key signs. */
export type Signer = "admin key" | "agent key" | "temporary key";

export interface Key {
  readonly accessKeyId: string;
  readonly secret: string;
  readonly securityToken?: string;
}

/** A request that is signed once all that it stands on is known. */
export interface Signing {
  /** Nobody: then it goes unsigned. */
  readonly by: Signer | undefined;
  /** What is wrong with the signature; nothing, as a rule. */
  readonly fault: "none" | "secret" | "date" | "nonce" | "token" | "text";
  readonly query: Readonly<Record<string, string>>;
  /** What is signed beside what always is; names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The query, in the order that is signed, and the headers of a request. */
export const signatureOf = (
  { by, fault, query, headers }: Signing,
  method: string,
  body: string | undefined,
  fill: (text: string) => string,
  keyOf: (signer: Signer) => Key,
): { readonly query: string; readonly lines: readonly string[] } => {
  const key = by === undefined ? { accessKeyId: "", secret: "" } : keyOf(by);
  const signed = signRequest({
    ...key,
    ...(fault === "token" && { securityToken: `st_${"0".repeat(64)}` }),
    ...(fault === "secret" && { secret: `aks_${"0".repeat(64)}` }),
    ...(fault === "date" && { date: 0 }),
    ...(fault === "nonce" && { nonce: "the same each time" }),
    method,
    query: Object.fromEntries(Object.entries(query).map(([name, value]) => [name, fill(value)])),
    headers: { host: "127.0.0.1", ...headers },
    ...(body !== undefined && { body: Buffer.from(body, "latin1") }),
  });
  const lines = Object.entries(signed.headers).flatMap(([name, value]) => {
    if (name !== "authorization") return [`${name}: ${value}`];
    if (by === undefined) return [];
    return [`${name}: ${fault === "text" ? value.slice(0, -(value.length % 90)) : value}`];
  });
  return { query: signed.query === "" ? "" : `?${signed.query}`, lines };
};
