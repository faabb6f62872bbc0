import { type Operation, operations, type Right } from "@legate/contract";
import fc from "fast-check";
import { oddHeaders, oddTypes, otherMethods, types } from "./odd-parts.ts";
import type { RawRequest } from "./raw-http.ts";
import { type Key, type Signer, type Signing, signatureOf } from "./signing.ts";
import { bodyFor, bytesOf, oddText, usualText } from "./wild.ts";

/** By what a request proves itself. `operator` and `auditor` exist where the wire can make such keys. */
export type Proof = Right | "nothing" | "unknown" | "nonsense" | "twice";

export type Framing =
  | "length"
  | "chunks"
  | "short length"
  | "long length"
  | "two lengths"
  | "both"
  | "odd length"
  | "broken chunks"
  | "cut chunks"
  | "none"
  | "cut head";

/** A request before what it stands on is known: `@@id:3@@` is filled in when it is sent. */
export interface Asked {
  /** The operation it was made for; undefined for addresses that are none. */
  readonly operation: string | undefined;
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly proof: Proof;
  readonly headers: readonly (readonly [string, string])[];
  /** Bytes, each a character. */
  readonly body: string | undefined;
  readonly framing: Framing;
  readonly leave: RawRequest["leave"];
  /** How it is signed, where signatures are what proves. */
  readonly signed?: Signing;
}

const all: readonly Operation[] = Object.values(operations);

/** A part of an address, percent-encoded or, seldom, as it is. */
const encoded = (text: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.oneof(
    // What is filled in later must stay as it is.
    { weight: 20, arbitrary: text.map((each) => (each.startsWith("@@") ? each : encodeURIComponent(each.toWellFormed()))) },
    {
      weight: 1,
      arbitrary: fc.oneof(
        text.map(bytesOf),
        fc.constantFrom("%", "%zz", "%00", "%ED%A0%80", "%2e%2e%2f", "%c0%af", "\x00", "\t", " ", "#", ";", "\\", "\xff"),
      ),
    },
  );

const part = (name: string): fc.Arbitrary<string> =>
  encoded(fc.oneof({ weight: 9, arbitrary: usualText(name) }, { weight: 1, arbitrary: oddText }));

const queryOf = (op: Operation): fc.Arbitrary<string> => {
  const names = Object.keys(op.query.shape);
  const pair = fc
    .oneof(
      { weight: 20, arbitrary: fc.constantFrom(...(names.length > 0 ? names : ["x"])) },
      { weight: 1, arbitrary: oddText.map((text) => encodeURIComponent(text.toWellFormed())) },
    )
    .chain((name) => part(name).map((value) => `${name}=${value}`));
  const pairs = fc.array(pair, { maxLength: 3 }).map((each) => (each.length > 0 ? `?${each.join("&")}` : ""));
  return fc.oneof(
    { weight: 12, arbitrary: names.length > 0 ? pairs : fc.constant("") },
    {
      weight: 1,
      arbitrary: fc.constantFrom("?", "?&&&", "?=", "?%", "?a[]=1&a[b]=2", `?${"a=1&".repeat(2_000)}`, "?__proto__=1", "?limit=1&limit=2"),
    },
  );
};

const targetOf = (op: Operation): fc.Arbitrary<string> => {
  const pieces = op.path.split(/(\{\w+\})/).map((piece) => (piece.startsWith("{") ? part(piece.slice(1, -1)) : fc.constant(piece)));
  return fc.tuple(...pieces, queryOf(op)).map((texts) => texts.join(""));
};

const elsewhere: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    ...[
      "/",
      "//",
      "/v1",
      "/v1/",
      "/v1//agents",
      "/v1/agents/",
      "/livez",
      "/readyz",
      "/metrics",
      "/docs",
      "/v1/openapi.json",
      "/.well-known/jwks.json",
      "*",
      "",
      "http://elsewhere.invalid/v1/agents",
      "/t/nobody/v1/agents",
      "/t/default/v1/agents",
      "/%2e%2e/v1/agents",
      "/consent/",
      "/login/callback",
      "/oauth2/authorize",
      "/oauth2/authorize?client_id=x&redirect_uri=https://app.test&response_type=code",
      "/favicon.ico",
      "/-",
      `/${"a/".repeat(3_000)}`,
      "/v1/agents;x=1",
      "/V1/AGENTS",
      "\\v1\\agents",
    ],
  ),
  fc
    .tuple(
      fc.constantFrom("/consent/", "/callback/", "/oauth2/authorize/", "/t/", "/v1/", "/docs/"),
      part("id"),
      fc.constantFrom("", "?code=x&state=y", "?state=", "?error=access_denied&state=x", "?code=a&code=b"),
    )
    .map((texts) => texts.join("")),
);

export const brokenFramings: readonly Framing[] = [
  "short length",
  "long length",
  "two lengths",
  "both",
  "odd length",
  "broken chunks",
  "cut chunks",
  "none",
  "cut head",
];

const proofs: readonly Proof[] = [
  "nothing",
  "unknown",
  "nonsense",
  "twice",
  "admin",
  "operator",
  "auditor",
  "agent",
  "workload-token",
  "user-token",
];

export const seldom = <T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>, weight: number): fc.Arbitrary<T> =>
  fc.oneof({ weight, arbitrary: usual }, { weight: 1, arbitrary: odd });

const askedOf = (op: Operation): fc.Arbitrary<Asked> => {
  const rights = op.rights.filter((right) => right !== "anyone");
  return fc.record({
    operation: fc.constant(op.id),
    method: seldom(fc.constant(op.method as string), fc.constantFrom(...otherMethods), 24),
    target: targetOf(op),
    version: seldom(
      fc.constant("HTTP/1.1"),
      fc.constantFrom("HTTP/1.0", "HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTP/1.1", "", "HTTP/1.1 x"),
      60,
    ),
    proof: seldom(rights.length > 0 ? fc.constantFrom<Proof>(...rights) : fc.constant<Proof>("nothing"), fc.constantFrom(...proofs), 5),
    headers: fc
      .tuple(
        seldom(fc.constantFrom(...types), fc.constantFrom(...oddTypes), 8),
        seldom(
          fc.constant<readonly (readonly [string, string])[]>([]),
          fc.array(fc.constantFrom(...oddHeaders), { minLength: 1, maxLength: 3 }),
          5,
        ),
        fc.nat(300),
      )
      .map(([type, odd, chance]) => [
        ...(op.method === "GET" && chance % 5 > 0 ? [] : [["content-type", type] as const]),
        ...odd,
        ...(chance === 0 ? Array.from({ length: 2_500 }, (_, at) => [`x-${at}`, "1"] as const) : []),
      ]),
    body:
      op.method === "GET" || op.method === "DELETE"
        ? seldom(fc.constant(undefined), bodyFor(op.body), 12)
        : seldom(bodyFor(op.body), fc.constant(undefined), 30),
    framing: seldom(fc.constantFrom<Framing>("length", "length", "length", "chunks"), fc.constantFrom(...brokenFramings), 14),
    leave: fc.constantFrom<RawRequest["leave"]>("end", "destroy"),
  });
};

const strayed: fc.Arbitrary<Asked> = fc.record({
  operation: fc.constant(undefined),
  method: fc.constantFrom("GET", "GET", "GET", "POST", ...otherMethods),
  target: elsewhere,
  version: fc.constant("HTTP/1.1"),
  proof: fc.constantFrom<Proof>("nothing", "admin"),
  headers: fc.constantFrom([], [["content-type", "application/x-www-form-urlencoded"] as const]),
  body: fc.constantFrom(undefined, "formToken=x&decision=allow", "{}"),
  framing: fc.constantFrom<Framing>("length", "chunks"),
  leave: fc.constant("end"),
});

/** Any request: of any operation, by anybody, whole or broken. */
export const anyRequest: fc.Arbitrary<Asked> = fc.oneof(
  { weight: 20, arbitrary: fc.oneof(...all.map(askedOf)) },
  { weight: 1, arbitrary: strayed },
);

const chunked = (body: string): string => {
  const half = Math.ceil(body.length / 2);
  return [body.slice(0, half), body.slice(half)]
    .map((chunk) => (chunk === "" ? "" : `${chunk.length.toString(16)}\r\n${chunk}\r\n`))
    .join("");
};

const framed = (framing: Framing, body: string): readonly [head: readonly string[], body: string] => {
  const length = `content-length: ${body.length}`;
  const chunks = "transfer-encoding: chunked";
  switch (framing) {
    case "length":
    case "cut head":
      return [[length], body];
    case "chunks":
      return [[chunks], `${chunked(body)}0\r\n\r\n`];
    case "short length":
      return [[`content-length: ${Math.floor(body.length / 2)}`], body];
    case "long length":
      return [[`content-length: ${body.length + 50}`], body];
    case "two lengths":
      return [[length, `content-length: ${body.length + 1}`], body];
    case "both":
      return [[length, chunks], `${chunked(body)}0\r\n\r\n`];
    case "odd length":
      return [[`content-length: ${["-1", "1e3", "0x10", "99999999999999999999", "", "1 2", "+5"][body.length % 7]}`], body];
    case "broken chunks":
      return [[chunks], `${chunked(body)}zz\r\nnever\r\n`];
    case "cut chunks":
      return [[chunks], chunked(body)];
    case "none":
      return [[], body];
  }
};

/** Headers after which nothing is sure of a connection: those that no parser takes, or that speak of the connection itself. */
const unsure = /[\0\r\n]|^$|upgrade|expect|close/i;

/**
 * Puts a request on the wire.
 * @param fill What `@@kind:at@@` stands for.
 */
export const render = (
  asked: Asked,
  fill: (kind: string, at: number) => string,
  authorization: (proof: Proof) => readonly string[],
  keyOf: (signer: Signer) => Key,
): RawRequest => {
  const filled = (text: string, as: (value: string) => string): string =>
    text.replaceAll(/@@(\w+):(\d+)@@/g, (_, kind: string, at: string) => as(fill(kind, Number(at))));
  const inJson = (value: string) => bytesOf(JSON.stringify(value).slice(1, -1));
  const body = asked.body === undefined ? undefined : filled(asked.body, asked.signed ? encodeURIComponent : inJson);
  const signature = asked.signed && signatureOf(asked.signed, asked.method, body, (text) => filled(text, String), keyOf);
  const [framing, payload] = body === undefined ? [[], ""] : framed(asked.framing, body);
  const lines = [
    `${asked.method} ${filled(asked.target, encodeURIComponent)}${signature?.query ?? ""} ${asked.version}`,
    ...(signature || asked.headers.some(([name]) => name === "host") ? [] : ["host: 127.0.0.1"]),
    ...(signature?.lines.filter((line) => !asked.headers.some(([name]) => name === "host" && line.startsWith("host:"))) ?? []),
    ...authorization(asked.proof).map((value) => `authorization: ${value}`),
    ...asked.headers.map(([name, value]) => `${name}: ${value}`),
    ...framing,
  ];
  const head = `${lines.join("\r\n")}\r\n\r\n`;
  const isWhole = asked.framing !== "cut head" && (body === undefined || asked.framing === "length" || asked.framing === "chunks");
  return {
    bytes: asked.framing === "cut head" ? head.slice(0, Math.floor(head.length / 2)) : head + payload,
    isWhole: isWhole && asked.version === "HTTP/1.1" && !asked.headers.some(([name, value]) => unsure.test(name) || unsure.test(value)),
    isHead: asked.method === "HEAD",
    leave: asked.leave,
  };
};
