import { createHmac, createSign, generateKeyPairSync, type JsonWebKey, type KeyObject } from "node:crypto";

const encode = (value: unknown): string => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** Keys that an attacker knows: those that are published to verify with, each in every form that somebody might take for a secret. */
export interface KnownKey {
  readonly jwk: JsonWebKey;
  /** SubjectPublicKeyInfo, as PEM. */
  readonly pem: string;
}

/**
 * What an attacker makes of a live token without its key, by name (RFC 8725 2). Each says what the token says; none of them is signed by who should
 * have.
 */
export const forgeriesOf = (token: string, known: readonly KnownKey[]): Readonly<Record<string, string>> => {
  const [head = "", payload = "", signature = ""] = token.split(".");
  const header = JSON.parse(Buffer.from(head, "base64url").toString("utf8")) as Readonly<Record<string, unknown>>;
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString("utf8")) as Readonly<Record<string, unknown>>;
  const attacker = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwk = attacker.publicKey.export({ format: "jwk" });

  const byAttacker = (some: object, body = payload): string => {
    const text = `${encode({ ...header, ...some })}.${body}`;
    return `${text}.${createSign("sha256").update(text).sign({ key: attacker.privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
  };
  const byHmac = (alg: "HS256" | "HS384" | "HS512", secret: string): string => {
    const text = `${encode({ ...header, alg })}.${payload}`;
    return `${text}.${createHmac(alg.replace("HS", "sha"), secret).update(text).digest("base64url")}`;
  };
  const secrets = known.flatMap((key) => [key.pem, key.pem.trim(), JSON.stringify(key.jwk), String(key.jwk.x), String(key.jwk["kid"])]);
  const kids = [
    "",
    "../../../../dev/null",
    "/dev/null",
    "' or '1'='1",
    "x' union select 'AAAA",
    "%00",
    "\u0000",
    "__proto__",
    "k".repeat(4000),
  ];

  return {
    "no algorithm": `${encode({ ...header, alg: "none" })}.${payload}.`,
    "no algorithm, in capitals": `${encode({ ...header, alg: "NONE" })}.${payload}.`,
    "no algorithm, with the signature": `${encode({ ...header, alg: "none" })}.${payload}.${signature}`,
    "no signature": `${head}.${payload}.`,
    ...Object.fromEntries(
      secrets.flatMap((secret, nth) =>
        (["HS256", "HS384", "HS512"] as const).map((alg) => [`${alg} by what is public, ${nth}`, byHmac(alg, secret)]),
      ),
    ),
    "an algorithm of another key": `${encode({ ...header, alg: "RS256" })}.${payload}.${signature}`,
    "a key of the attacker's": byAttacker({ alg: "ES256" }),
    "a key of the attacker's, as a list": byAttacker({ alg: "ES256", jwk: [jwk] }),
    "a key at an address": byAttacker({ alg: "ES256", jku: "https://attacker.example/jwks.json" }),
    "a certificate at an address": byAttacker({ alg: "ES256", x5u: "https://attacker.example/chain.pem" }),
    "a certificate in the header": byAttacker({ alg: "ES256", x5c: ["MIIBAAAA"] }),
    ...Object.fromEntries(kids.map((kid, nth) => [`key id ${nth}`, byAttacker({ alg: "ES256", kid })])),
    "a key id that is no text": byAttacker({ alg: "ES256", kid: { $ne: null } }),
    "an extension nobody knows": byAttacker({ alg: "ES256", crit: ["urn:legate:trust-me"], "urn:legate:trust-me": true }),
    "an extension that leaves the payload as it is": byAttacker({ alg: "ES256", crit: ["b64"], b64: false }),
    "a signature of zeros": `${head}.${payload}.${Buffer.alloc(64).toString("base64url")}`,
    "a signature of zeros, as DER": `${head}.${payload}.${Buffer.from("3006020100020100", "hex").toString("base64url")}`,
    "a signature of nothing": `${head}.${payload}.AA`,
    "claims changed": `${head}.${encode({ ...claims, exp: 4_102_444_800, sub: "somebody" })}.${signature}`,
    "a claim twice": `${head}.${encode(JSON.stringify(claims).replace("{", '{"sub":"somebody",'))}.${signature}`,
    "a header member twice": `${encode(JSON.stringify(header).replace("{", '{"alg":"none",'))}.${payload}.${signature}`,
    "another type": `${encode({ ...header, typ: "anything+jwt" })}.${payload}.${signature}`,
    "a JWE that would take an hour to open": `${encode({ alg: "PBES2-HS512+A256KW", enc: "A256GCM", p2c: 2_147_483_647, p2s: "AAAAAAAA" })}.AAAA.AAAA.AAAA.AAAA`,
    "a JWE of its own key": `${encode({ alg: "dir", enc: "A256GCM", jwk })}..AAAA.AAAA.AAAA`,
    "a fourth part": `${token}.AAAA`,
    "deep JSON": `${head}.${encode(`${'{"a":'.repeat(2000)}1${"}".repeat(2000)}`)}.${signature}`,
    "only dots": ".".repeat(4000),
  };
};

/**
 * What is signed as it should be, and says things that readers would not read alike, or that we do not know.
 * @returns with `straight`: the same by the same key, without a twist
 */
export const twistedOf = (
  token: string,
  privateKey: KeyObject,
): { readonly straight: string; readonly twisted: Readonly<Record<string, string>> } => {
  const [head = "", payload = ""] = token.split(".");
  const [header, claims] = [head, payload].map((part) => Buffer.from(part, "base64url").toString("utf8")) as [string, string];
  const signed = (first: string, second: string): string => {
    const text = `${encode(first)}.${encode(second)}`;
    return `${text}.${createSign("sha256").update(text).sign({ key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
  };
  const first = (text: string, member: string) => text.replace("{", `{${member},`);
  const last = (text: string, member: string) => text.replace(/\}$/, `,${member}}`);
  const straight = signed(header, claims);
  const name = Object.keys(JSON.parse(claims) as object)[0] ?? "";
  const escaped = name.replaceAll(/./g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
  const twisted = {
    "a claim twice, the false one first": signed(header, first(claims, `"${name}":"another"`)),
    "a claim twice, the false one last": signed(header, last(claims, `"${name}":"another"`)),
    "a claim twice, once in escapes": signed(header, last(claims, `"${escaped}":"another"`)),
    "the issuer twice": signed(header, last(first(claims, '"iss":"https://attacker.example"'), '"iss":"https://attacker.example"')),
    "a member twice within a claim": signed(header, last(claims, '"more":{"a":1,"a":2}')),
    "a prototype": signed(header, last(claims, '"__proto__":{"scope":"everything"}')),
    "the algorithm twice": signed(first(header, '"alg":"none"'), claims),
    "an extension nobody knows": signed(last(header, '"crit":["urn:x"],"urn:x":true'), claims),
    "no extension, but a list of them": signed(last(header, '"crit":[]'), claims),
    "a payload as it is": signed(last(header, '"crit":["b64"],"b64":false'), claims),
    "another type": signed(JSON.stringify({ ...(JSON.parse(header) as object), typ: "anything+jwt" }), claims),
    "a security event's type": signed(JSON.stringify({ ...(JSON.parse(header) as object), typ: "secevent+jwt" }), claims),
    "a list": signed(header, `[${claims}]`),
    "a text": signed(header, '"claims"'),
    nothing: signed(header, ""),
    "text that is not UTF-8": `${straight.split(".")[0] ?? ""}.${Buffer.from([0x7b, 0xff, 0x7d]).toString("base64url")}.AAAA`,
    padding: `${straight}==`,
    "a line break": `${straight.slice(0, -20)}%0A${straight.slice(-20)}`,
  };
  return { straight, twisted };
};
