import fc from "fast-check";
import { z } from "zod";

/** A JSON schema as zod writes it, as far as it is read here. */
interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly format?: string;
}

/** The bytes of text, each as one character. */
export const bytesOf = (text: string): string => Buffer.from(text, "utf8").toString("latin1");

/** What stands for something that is only known when it is sent: `@@id:3@@` is the third id that was seen. */
export const held = (kind: string): fc.Arbitrary<string> => fc.nat(99).map((at) => `@@${kind}:${at}@@`);

/** Text that others have tripped over. */
const oddTexts = [
  "",
  " ",
  "null",
  "undefined",
  "NaN",
  "-0",
  "0x10",
  "true",
  "[]",
  "{}",
  "__proto__",
  "constructor",
  "toString",
  "../../etc/passwd",
  "..%2f..%2f",
  "'; drop table agents; --",
  '" or 1=1 --',
  "%00",
  "%s%s%s%n",
  "${7*7}",
  "{{7*7}}",
  "<script>alert(1)</script>",
  "\r\nx-injected: yes",
  "\u202eelgoog\u202c",
  "\ufeffname",
  "I\u0307stanbul",
  "\u0130\u0131\u212a",
  "e\u0301\u00e9",
  "\ud83d\udc69\u200d\ud83d\udc69\u200d\ud83d\udc67",
  "\ufffe\uffff",
  "a".repeat(300),
  "a".repeat(20_000),
  "\u00e4".repeat(600),
  "agt_00000000000000000000000000000000",
  "sk_0123",
  "http://127.0.0.1:9/",
  "https://nowhere.invalid/x?y=z",
  "javascript:alert(1)",
  "http://[::1]:9/",
  "1970-01-01T00:00:00Z",
  "+275760-09-13T00:00:00Z",
  "9".repeat(400),
] as const;

export const oddText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...oddTexts),
  fc.string({ maxLength: 40, unit: "grapheme" }),
  fc.string({ maxLength: 12, unit: "binary" }),
);

/** JSON text of a string, in which escapes may say what no well-formed text can. */
const jsonString: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: oddText.map((text) => JSON.stringify(text)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '"\\u0000"',
      '"a\\u0000b"',
      '"\\ud800"',
      '"\\udc00\\ud800"',
      '"\\uD83D\\uDE00"',
      '"\\u005f_proto__"',
      '"\\x41"',
      '"\t"',
      '"\\"',
    ),
  },
);

const oddNumbers = [
  "0",
  "-0",
  "1e999",
  "-1e999",
  "1e-999",
  "123456789012345678901234567890",
  "9007199254740993",
  "0.1",
  "01",
  "+1",
  "1.",
  ".5",
  "-",
  "NaN",
  "Infinity",
  "0x1",
  "1_000",
  "2147483648",
  "1e400000000",
];

const nested = (open: string, close: string, depth: number): string => `${open.repeat(depth)}${close.repeat(depth)}`;

/** JSON text, or nearly, of anything. */
const wildJson: fc.Arbitrary<string> = fc.oneof(
  { weight: 5, arbitrary: jsonString },
  { weight: 2, arbitrary: fc.constantFrom(...oddNumbers) },
  { weight: 2, arbitrary: fc.constantFrom("null", "true", "false", "[]", "{}", "[null]", '[""]', '{"":null}', "undefined", "") },
  { weight: 2, arbitrary: fc.json({ maxDepth: 3 }) },
  {
    weight: 1,
    arbitrary: fc
      .integer({ min: 1, max: 3_000 })
      .chain((depth) => fc.constantFrom(nested("[", "]", depth), nested('{"a":', "}", depth).replace("}", "1}"), "[".repeat(depth))),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '{"__proto__":{"admin":true}}',
      '{"constructor":{"prototype":{"a":1}}}',
      '{"a":1,"a":2}',
      '{"a":1,"\\u0061":2}',
      "[1,]",
      '{"a":1,}',
      "// x\n{}",
      "{'a':1}",
      `[${"1,".repeat(5_000)}1]`,
    ),
  },
);

/** Some are there, some are not. */
const victim = fc.nat(8).map((at) => `victim-${at}`);

/** Good values by the names of fields: what a caller who means well would send. */
const usualByName: Readonly<Record<string, fc.Arbitrary<string>>> = {
  name: fc.oneof(victim, fc.constantFrom("weather", "calendar", "corp", "nobody")),
  agent: fc.oneof(fc.constantFrom("keeper", "*", "nobody", "label:team", "label:team=a"), victim),
  agents: fc.oneof(fc.constantFrom("keeper", "*", "label:team"), victim),
  provider: fc.oneof(fc.constantFrom("weather", "calendar", "machine", "nobody"), victim),
  vault: fc.constantFrom("default", "other"),
  issuer: fc.constantFrom("corp", "nobody", "https://issuer.invalid"),
  user: held("id"),
  id: held("id"),
  cursor: held("cursor"),
  sessionUri: held("session"),
  userId: fc.constantFrom("alice", "bob", "\u00e4lice"),
  userToken: fc.constantFrom("@@secret:0@@", "eyJhbGciOiJub25lIn0.e30."),
  subjectToken: fc.constantFrom("@@secret:0@@", "eyJhbGciOiJub25lIn0.e30."),
  apiKey: held("secret"),
  clientSecret: held("secret"),
  type: fc.constantFrom("api_key", "oauth2"),
  scopes: fc.constantFrom("read", "write", "openid", "offline_access"),
  permissions: fc.constantFrom("mail:inbox:read", "*:*:*"),
  limit: fc.constantFrom("1", "2", "50", "500"),
  discoveryUrl: fc.constantFrom("http://127.0.0.1:9/", "https://nowhere.invalid/"),
  authorizationEndpoint: fc.constant("http://127.0.0.1:9/authorize"),
  tokenEndpoint: fc.constantFrom("http://127.0.0.1:9/token", "@@endpoint:0@@"),
  returnUrl: fc.constantFrom("https://app.test/back", "https://app.test/other"),
  allowedReturnUrls: fc.constant("https://app.test/back"),
  ownerEmail: fc.constant("owner@example.com"),
  resource: fc.constant("https://resource.test/"),
};

const plainText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom("x", "a title", "team", "2026-01-01T00:00:00Z"),
  fc.string({ minLength: 1, maxLength: 20 }),
);

/** A good value of a field, more often than not. */
export const usualText = (name: string): fc.Arbitrary<string> =>
  (Object.hasOwn(usualByName, name) ? usualByName[name] : undefined) ?? plainText;

/** JSON text that a schema would take, more often than not. */
const fromSchema = (schema: Schema, name: string, depth = 0): fc.Arbitrary<string> => {
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return fc.oneof(...choices.map((each) => fromSchema(each, name, depth)));
  if ("const" in schema) return fc.constant(JSON.stringify(schema.const));
  if (schema.enum) return fc.constantFrom(...schema.enum.map((each) => JSON.stringify(each)));
  switch (schema.type) {
    case "object":
      return objectOf(schema, depth + 1);
    case "array":
      return fc.array(fromSchema(schema.items ?? {}, name, depth), { maxLength: 4 }).map((items) => `[${items.join(",")}]`);
    case "boolean":
      return fc.constantFrom("true", "false");
    case "integer":
    case "number":
      return fc.oneof(fc.integer({ min: -5, max: 100_000 }).map(String), fc.constantFrom(...oddNumbers));
    case "null":
      return fc.constant("null");
    default:
      return usualText(name).map((text) => JSON.stringify(text));
  }
};

const objectOf = ({ properties = {}, required = [], additionalProperties }: Schema, depth: number): fc.Arbitrary<string> => {
  const fields = Object.entries(properties).map(([name, schema]) => {
    const value = fc.oneof({ weight: 30, arbitrary: fromSchema(schema, name, depth) }, { weight: 1, arbitrary: wildJson });
    // What is required is left out once in forty, all else every second time.
    return fc.option(
      value.map((text) => `${JSON.stringify(name)}:${text}`),
      { nil: undefined, freq: required.includes(name) ? 40 : 2 },
    );
  });
  const unknown = fc.tuple(jsonString, wildJson).map(([name, value]) => `${name}:${value}`);
  return fc.tuple(fc.tuple(...fields), unknown, fc.nat(24)).map(([given, field, chance]) => {
    const all = [...given.filter((each) => each !== undefined), ...(chance === 0 || additionalProperties ? [field] : [])];
    return `{${all.join(",")}}`;
  });
};

/** Spoils the bytes of a text: what is no JSON any more, no UTF-8, or not all of it. */
const spoilt = (text: string): fc.Arbitrary<string> =>
  fc.oneof(
    fc.nat(text.length).map((at) => bytesOf(text).slice(0, at)),
    fc.constantFrom(
      `\xef\xbb\xbf${bytesOf(text)}`,
      `${bytesOf(text)}\0`,
      `${bytesOf(text)}${bytesOf(text)}`,
      Buffer.from(text, "utf16le").toString("latin1"),
    ),
    fc
      .tuple(fc.nat(Math.max(1, text.length)), fc.constantFrom("\xff", "\xc0\xaf", "\xed\xa0\x80", "\0", "\x1b", "}", '"', "\\"))
      .map(([at, odd]) => {
        const bytes = bytesOf(text);
        return bytes.slice(0, at) + odd + bytes.slice(at);
      }),
    fc.constant(" ".repeat(300_000) + text),
  );

/** A body for a schema, in bytes: mostly one that it might take. */
export const bodyFor = (schema: z.ZodType): fc.Arbitrary<string> => {
  const good = fromSchema(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Schema, "");
  return fc.oneof(
    { weight: 16, arbitrary: good.map(bytesOf) },
    { weight: 2, arbitrary: wildJson.map(bytesOf) },
    { weight: 1, arbitrary: good.chain(spoilt) },
    { weight: 1, arbitrary: fc.string({ maxLength: 60, unit: "binary" }).map(bytesOf) },
  );
};
