import fc from "fast-check";
import { operationsOf } from "../../packages/server/src/front/alibaba/alibaba.ts";
import { samples } from "../../packages/server/src/front/alibaba/bad-input-samples-for-tests.ts";
import { type Asked, brokenFramings, type Framing, seldom } from "./requests.ts";
import { oddHeaders, oddTypes, otherMethods } from "./odd-parts.ts";
import type { Signer, Signing } from "./signing.ts";
import { held, oddText } from "./wild.ts";

type Operation = ReturnType<typeof operationsOf>[number];

// Here they are only read: none of them acts.
const all = operationsOf({} as Parameters<typeof operationsOf>[0]);

const victim = fc.nat(3).map((at) => `victim-${at}`);

/** Good values where there is more than one, or what they stand for is known only then; the others are samples. */
const usual: Readonly<Record<string, fc.Arbitrary<string>>> = {
  WorkloadIdentityName: fc.oneof(fc.constantFrom("keeper", "nobody"), victim),
  WorkloadAccessToken: fc.constant("@@token:0@@"),
  ResourceCredentialProviderName: fc.oneof(fc.constantFrom("weather", "calendar", "machine", "nobody"), victim),
  APIKeyCredentialProviderName: fc.oneof(fc.constantFrom("weather", "nobody"), victim),
  OAuth2CredentialProviderName: fc.oneof(fc.constantFrom("calendar", "machine", "nobody"), victim),
  IdentityProviderName: fc.oneof(fc.constantFrom("corp", "nobody"), victim),
  TokenVaultName: fc.oneof(fc.constantFrom("default", "other"), victim),
  PolicySetName: victim,
  PolicyName: victim,
  RoleName: fc.oneof(fc.constantFrom("keeper", "nobody"), victim),
  RoleArn: fc.constantFrom("keeper", "acs:ram::1234567890123456:role/victim-1", "arn:aws:iam::123456789012:role/x"),
  PolicyType: fc.constantFrom("Custom", "System"),
  APIKey: held("secret"),
  UserToken: held("secret"),
  UserId: fc.constantFrom("alice", "bob", "\u00e4lice"),
  UserIdentifier: fc.constantFrom('{"UserId":"bob"}', '{"UserToken":"@@secret:0@@"}', '{"UserId":"bob","UserToken":"x"}', "{}"),
  SessionURI: held("session"),
  NextToken: held("next"),
  Marker: held("next"),
  OAuth2Flow: fc.constantFrom("M2M", "USER_FEDERATION"),
  ForceAuthentication: fc.constantFrom("True", "false"),
  MaxResults: fc.constantFrom("1", "2", "1000"),
  ResourceOAuth2ReturnURL: fc.constantFrom("https://app.test/back", "https://app.test/other"),
  Policy: fc.constantFrom(samples["Policy"] ?? "", '{"Version":"1","Statement":[]}', '{"Version":"1","Statement":[{"Effect":"Deny"}]}'),
  Definition: fc.constantFrom(
    samples["Definition"] ?? "",
    '{"Cedar":{"Statement":"forbid(principal, action, resource) when { context.x > 1 };"}}',
    '{"Cedar":{"Statement":"permit("}}',
    `{"Cedar":{"Statement":"${"(".repeat(2_000)}"}}`,
  ),
};

const oddValue: fc.Arbitrary<string> = fc.oneof(
  oddText,
  fc.json({ maxDepth: 3 }),
  fc.constantFrom('{"a":1,"a":2}', '{"__proto__":{}}', '"\\ud800"', "[".repeat(3_000), '{"a":'.repeat(500), "[null]", "1e999"),
);

const valueOf = (name: string): fc.Arbitrary<string> =>
  seldom(usual[name] ?? fc.constant(samples[name] ?? "x"), oddValue, 30).map((value) => value.toWellFormed());

/** Percent-encoded; what is filled in later is encoded then. */
const encoded = (text: string): string =>
  text
    .split(/(@@\w+:\d+@@)/)
    .map((part) => (part.startsWith("@@") ? part : encodeURIComponent(part)))
    .join("");

type Pairs = readonly (readonly [name: string, value: string])[];

/** What an action is told: of what it must be told nearly all, of the rest some, and seldom something that nobody asked for. */
const paramsOf = ({ params }: Operation): fc.Arbitrary<Pairs> => {
  const shape = params.shape as Record<string, { safeParse(value: unknown): { success: boolean } }>;
  const given = Object.entries(shape).map(([name, schema]) =>
    fc.option(
      valueOf(name).map((value) => [name, value] as const),
      { nil: undefined, freq: schema.safeParse(undefined).success ? 2 : 50 },
    ),
  );
  const more = fc.constantFrom(...Object.keys(samples), "Nonsense", "__proto__", "Action", "Format", "toString");
  return fc.tuple(fc.tuple(...given), more, oddText, fc.nat(24)).map(([pairs, name, value, chance]) => {
    const known = pairs.filter((each) => each !== undefined);
    return chance === 0 ? [...known, [name, value.toWellFormed()]] : known;
  });
};

const oddForms = [
  "a=%00",
  "a=%zz",
  "a=%ff",
  "%ED%A0%80=1",
  "&&&",
  "=",
  "\xff\xfe",
  "a=\0",
  "{}",
  `a=${"x".repeat(300_000)}`,
  "a=1&".repeat(2_000),
];

const formOf = (pairs: Pairs): fc.Arbitrary<string> => {
  const form = pairs.map(([name, value]) => `${encoded(name)}=${encoded(value)}`).join("&");
  return seldom(
    fc.constant(form),
    fc.oneof(
      fc.constantFrom(...oddForms),
      fc.constant(`${form}&${form}`),
      fc.nat(form.length).map((at) => form.slice(0, at)),
      fc.constantFrom(...oddForms).map((odd) => `${form}&${odd}`),
    ),
    16,
  );
};

const signers = ({ callers }: Operation): readonly Signer[] => [
  ...(callers.includes("admin") ? (["admin key"] as const) : []),
  ...(callers.includes("agent") ? (["agent key"] as const) : []),
  ...(callers.includes("temporary") ? (["temporary key"] as const) : []),
];

const formType = "application/x-www-form-urlencoded";
const anySigner = fc.constantFrom<Signer | undefined>("admin key", "agent key", "temporary key", undefined);

const askedOf = (operation: Operation): fc.Arbitrary<Asked> => {
  const able = signers(operation);
  const signer = operation.callers.includes("anyone") ? anySigner : seldom(fc.constantFrom<Signer | undefined>(...able), anySigner, 6);
  const parts = fc.record({
    by: signer,
    fault: seldom(fc.constant<Signing["fault"]>("none"), fc.constantFrom<Signing["fault"]>("secret", "date", "nonce", "token", "text"), 12),
    pairs: paramsOf(operation),
    inQuery: fc.nat(5).map((chance) => chance === 0),
    said: seldom(fc.constantFrom("header", "header", "both", "query"), fc.constant("neither"), 24),
    type: seldom(fc.constant(formType), fc.constantFrom(...oddTypes), 24),
    method: seldom(fc.constant("POST"), fc.constantFrom("GET", ...otherMethods), 24),
    target: seldom(
      fc.constant("/"),
      fc.constantFrom("/t/victim-1/", "/t/nobody/", "/t/default/", "/t/default", "/?%zz", "/?x=%00", "//"),
      12,
    ),
    odd: seldom(fc.constant<Asked["headers"]>([]), fc.array(fc.constantFrom(...oddHeaders), { minLength: 1, maxLength: 3 }), 8),
    framing: seldom(fc.constantFrom<Framing>("length", "length", "chunks"), fc.constantFrom(...brokenFramings), 16),
    leave: fc.constantFrom<Asked["leave"]>("end", "destroy"),
  });
  return parts.chain(({ by, fault, pairs, inQuery, said, type, method, target, odd, framing, leave }) => {
    const { version, action } = operation;
    const query = {
      ...(inQuery && Object.fromEntries(pairs)),
      ...((said === "both" || said === "query") && { Action: action, Version: version, Format: "json" }),
    };
    const headers = {
      "content-type": type,
      ...((said === "both" || said === "header") && { "x-acs-action": action, "x-acs-version": version }),
    };
    return formOf(inQuery ? [] : pairs).map((body) => ({
      operation: `alibaba.${action}`,
      method,
      target,
      version: "HTTP/1.1",
      proof: "nothing",
      headers: odd,
      body,
      framing,
      leave,
      signed: { by, fault, query, headers },
    }));
  });
};

/** Any action of the Alibaba Cloud wire: signed by anybody or by nobody, whole or broken. */
export const anySigned: fc.Arbitrary<Asked> = fc.oneof(...all.map(askedOf));
