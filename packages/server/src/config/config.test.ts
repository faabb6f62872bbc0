import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { type Config, ConfigError, readConfig, settings } from "./index.ts";

type Env = Record<string, string>;

const problemsOf = (env: Env): readonly string[] => {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
};

const key = Buffer.alloc(32, 7);
const masterKey = key.toString("base64");
const database = "postgres://legate:hunter2@db.internal:5432/legate";

test("with nothing set, the server is on loopback with the embedded store", () => {
  expect(readConfig({})).toEqual({
    port: 8700,
    host: "127.0.0.1",
    publicUrl: "http://127.0.0.1:8700",
    dataDir: resolve(".legate"),
    database: { engine: "sqlite", path: resolve(".legate/legate.db") },
    egressAllow: [],
    rateLimits: 1,
    region: "cn-beijing",
    trustedProxies: [],
    corsOrigins: [],
    logLevel: "info",
    exposed: false,
    secureCookies: false,
    warnings: [],
    secrets: {},
  } satisfies Config);
});

const accepted: readonly (readonly [what: string, env: Env, expected: object])[] = [
  ["an empty variable counts as not set", { LEGATE_PORT: "", LEGATE_PUBLIC_URL: " " }, { port: 8700, publicUrl: "http://127.0.0.1:8700" }],
  ["port 0 takes a free one", { LEGATE_PORT: "0" }, { port: 0, publicUrl: "http://127.0.0.1:0" }],
  ["localhost is called by its address", { LEGATE_HOST: "localhost" }, { host: "localhost", publicUrl: "http://127.0.0.1:8700" }],
  ["an IPv6 host is bracketed in the URL", { LEGATE_HOST: "::1", LEGATE_PORT: "9000" }, { host: "::1", publicUrl: "http://[::1]:9000" }],
  ["brackets around the host are taken off", { LEGATE_HOST: "[::1]" }, { host: "::1" }],
  ["all of 127/8 is loopback", { LEGATE_HOST: "127.8.9.1" }, { exposed: false }],
  ["a default port is not repeated", { LEGATE_PUBLIC_URL: "https://id.example.com:443" }, { publicUrl: "https://id.example.com" }],
  [
    "https in front of a loopback server is exposed, and well so",
    { LEGATE_PUBLIC_URL: "https://id.example.com" },
    { exposed: true, secureCookies: true },
  ],
  [
    "a public host with an https URL",
    { LEGATE_HOST: "0.0.0.0", LEGATE_PUBLIC_URL: "https://id.example.com" },
    { host: "0.0.0.0", exposed: true },
  ],
  ["http on a name below localhost", { LEGATE_PUBLIC_URL: "http://legate.localhost:8700" }, { exposed: false, secureCookies: false }],
  ["https on loopback has secure cookies", { LEGATE_PUBLIC_URL: "https://localhost:8700" }, { exposed: false, secureCookies: true }],
  [
    "TLS makes the default URL https",
    { LEGATE_TLS_CERT: "/tls/cert.pem", LEGATE_TLS_KEY: "/tls/key.pem" },
    { publicUrl: "https://127.0.0.1:8700", secureCookies: true, tls: { certPath: "/tls/cert.pem", keyPath: "/tls/key.pem" } },
  ],
  [
    "PostgreSQL with a master key",
    { LEGATE_DATABASE_URL: database, LEGATE_MASTER_KEY: masterKey },
    { database: { engine: "postgres", url: database }, secrets: { masterKey: key } },
  ],
  [
    "the data directory holds the store",
    { LEGATE_DATA_DIR: "/var/lib/legate" },
    { database: { engine: "sqlite", path: "/var/lib/legate/legate.db" } },
  ],
  ["a master key in hex", { LEGATE_MASTER_KEY: key.toString("hex") }, { secrets: { masterKey: key } }],
  [
    "a master key in base64url",
    { LEGATE_MASTER_KEY: Buffer.alloc(32, 255).toString("base64url") },
    { secrets: { masterKey: Buffer.alloc(32, 255) } },
  ],
  ["an admin key of 32 characters", { LEGATE_ADMIN_KEY: "!".repeat(32) }, { secrets: { adminKey: "!".repeat(32) } }],
  ["an admin key of 256 characters", { LEGATE_ADMIN_KEY: "~".repeat(256) }, { secrets: { adminKey: "~".repeat(256) } }],
  [
    "lists are parted by commas or spaces, without repeats",
    { LEGATE_EGRESS_ALLOW: "10.0.0.0/8, idp.internal\n::1,idp.internal", LEGATE_TRUSTED_PROXIES: "10.0.0.1 fd00::/8" },
    { egressAllow: ["10.0.0.0/8", "idp.internal", "::1"], trustedProxies: ["10.0.0.1", "fd00::/8"] },
  ],
  [
    "CORS origins",
    { LEGATE_CORS_ORIGINS: "https://a.example,http://localhost:3000" },
    { corsOrigins: ["https://a.example", "http://localhost:3000"] },
  ],
  ["rate limits of a factor", { LEGATE_RATE_LIMITS: "0.5" }, { rateLimits: 0.5 }],
  ["the rate limits as they are", { LEGATE_RATE_LIMITS: "default" }, { rateLimits: 1 }],
  ["no rate limits", { LEGATE_RATE_LIMITS: "off" }, { rateLimits: "off" }],
  ["log level", { LEGATE_LOG_LEVEL: "debug" }, { logLevel: "debug" }],
  [
    "spans are sent where OpenTelemetry's own variables say",
    { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318/", OTEL_SERVICE_NAME: "id" },
    { telemetry: { endpoint: "http://collector:4318", serviceName: "id" } },
  ],
  [
    "the service has a name where none is given",
    { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318" },
    { telemetry: { serviceName: "legate" } },
  ],
];

test.each(accepted)("accepted: %s", (_, env, expected) => {
  expect(readConfig(env)).toMatchObject(expected);
});

const refused: readonly (readonly [env: Env, problem: RegExp])[] = [
  ...["-1", "65536", "8700.0", "1e3", "http", "0x10", "999999"].map(
    (LEGATE_PORT) => [{ LEGATE_PORT }, /^LEGATE_PORT must be a whole/] as const,
  ),
  ...["0", "-1", "0.0", "on", "1e9", "2x", ".5", "Infinity", "NaN"].map(
    (LEGATE_RATE_LIMITS) => [{ LEGATE_RATE_LIMITS }, /^LEGATE_RATE_LIMITS must be default, off, or a positive number/] as const,
  ),
  ...["http://x", "a b", "host:80", "1.2.3", "256.0.0.1", "-x", "a..b", "host/path"].map(
    (LEGATE_HOST) => [{ LEGATE_HOST }, /^LEGATE_HOST must be a host name/] as const,
  ),
  [{ LEGATE_PUBLIC_URL: "id.example.com" }, /absolute http or https URL/],
  [{ LEGATE_PUBLIC_URL: "ftp://id.example.com" }, /absolute http or https URL/],
  [{ LEGATE_PUBLIC_URL: "https://id.example.com/" }, /no slash at its end/],
  [{ LEGATE_PUBLIC_URL: "https://id.example.com/legate" }, /have no path/],
  [{ LEGATE_PUBLIC_URL: "https://id.example.com?a=1" }, /no query and no fragment/],
  [{ LEGATE_PUBLIC_URL: "https://id.example.com#a" }, /no query and no fragment/],
  [{ LEGATE_PUBLIC_URL: "https://me@id.example.com" }, /no user name or password/],
  [{ LEGATE_PUBLIC_URL: "http://id.example.com" }, /^LEGATE_PUBLIC_URL must begin https/],
  [{ LEGATE_PUBLIC_URL: "http://127.0.0.1.example.com" }, /^LEGATE_PUBLIC_URL must begin https/],
  [{ LEGATE_PUBLIC_URL: "http://notlocalhost" }, /^LEGATE_PUBLIC_URL must begin https/],
  [{ LEGATE_HOST: "0.0.0.0" }, /^LEGATE_PUBLIC_URL must be set, to an https URL/],
  [{ LEGATE_HOST: "::" }, /^LEGATE_PUBLIC_URL must be set, to an https URL/],
  [{ LEGATE_HOST: "10.0.0.5", LEGATE_PUBLIC_URL: "http://127.0.0.1:8700" }, /^LEGATE_PUBLIC_URL must begin https/],
  [{ LEGATE_TLS_CERT: "/c", LEGATE_TLS_KEY: "/k", LEGATE_PUBLIC_URL: "http://localhost:8700" }, /serves https/],
  [{ LEGATE_TLS_CERT: "/c" }, /set both or neither/],
  [{ LEGATE_TLS_KEY: "/k" }, /set both or neither/],
  [{ LEGATE_DATABASE_URL: database }, /^LEGATE_MASTER_KEY must be set with PostgreSQL/],
  [{ LEGATE_DATABASE_URL: "mysql://h/d", LEGATE_MASTER_KEY: masterKey }, /^LEGATE_DATABASE_URL must begin postgres/],
  [{ LEGATE_DATABASE_URL: "postgres://host", LEGATE_MASTER_KEY: masterKey }, /^LEGATE_DATABASE_URL must name a database/],
  ...["short", "x".repeat(257), `${"x".repeat(31)} y`, `${"x".repeat(32)}é`].map(
    (LEGATE_ADMIN_KEY) => [{ LEGATE_ADMIN_KEY }, /^LEGATE_ADMIN_KEY must be 32 to 256/] as const,
  ),
  ...["abc", Buffer.alloc(31).toString("base64"), Buffer.alloc(33).toString("hex"), `${masterKey.slice(0, -2)}d=`, `${masterKey}!`].map(
    (LEGATE_MASTER_KEY) => [{ LEGATE_MASTER_KEY }, /^LEGATE_MASTER_KEY must be 32 bytes/] as const,
  ),
  ...["10.0.0.0/33", "::/129", "http://x", "10.0.0.0/8/8", "a b/24", "*"].map(
    (LEGATE_EGRESS_ALLOW) => [{ LEGATE_EGRESS_ALLOW }, /^LEGATE_EGRESS_ALLOW must list CIDRs/] as const,
  ),
  ...["proxy.internal", "10.0.0.0/x", "fe80::1%eth0"].map(
    (LEGATE_TRUSTED_PROXIES) => [{ LEGATE_TRUSTED_PROXIES }, /^LEGATE_TRUSTED_PROXIES must list IP addresses/] as const,
  ),
  [{ LEGATE_CORS_ORIGINS: "*" }, /^LEGATE_CORS_ORIGINS must name each origin/],
  [{ LEGATE_CORS_ORIGINS: "https://a.example/x" }, /^LEGATE_CORS_ORIGINS must list origins/],
  [{ LEGATE_LOG_LEVEL: "loud" }, /^LEGATE_LOG_LEVEL must be one of fatal,/],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" }, /^OTEL_EXPORTER_OTLP_ENDPOINT must be an absolute/],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://u:p@collector:4318" }, /no user name/],
  [{ OTEL_SERVICE_NAME: "a b" }, /^OTEL_SERVICE_NAME must be 1 to 128/],
];

test.each(refused)("refused: %j", (env, problem) => {
  expect(problemsOf(env)).toEqual([expect.stringMatching(problem)]);
});

describe("a refusal", () => {
  test("names every problem at once", () => {
    const problems = problemsOf({
      LEGATE_PORT: "x",
      LEGATE_HOST: "::",
      LEGATE_DATABASE_URL: database,
      LEGATE_LOG_LEVEL: "y",
      LEGATE_TLS_KEY: "/k",
    });
    expect(new Set(problems.map((problem) => problem.split(" ")[0]))).toEqual(
      new Set(["LEGATE_LOG_LEVEL", "LEGATE_MASTER_KEY", "LEGATE_PORT", "LEGATE_PUBLIC_URL", "LEGATE_TLS_CERT"]),
    );
  });

  test("does not call a malformed value missing", () => {
    expect(problemsOf({ LEGATE_DATABASE_URL: database, LEGATE_MASTER_KEY: "bad" })).toHaveLength(1);
    expect(problemsOf({ LEGATE_HOST: "0.0.0.0", LEGATE_PUBLIC_URL: "bad" })).toHaveLength(1);
  });

  test("never shows a secret, nor part of one", () => {
    for (const { name } of Object.values(settings).filter(({ secret }) => secret)) {
      const text = `canary-${"c4n4ry".repeat(3)} hunter2`;
      const [problem = ""] = problemsOf({ [name]: text });
      expect(problem).toContain(name);
      expect(problem).not.toMatch(/canary|c4n4ry|hunter2/);
    }
  });
});

describe("a name that is no setting", () => {
  test.each([
    ["LEGATE_PROT", /Did you mean LEGATE_PORT\?/],
    ["LEGATE_PUBLIC_URI", /Did you mean LEGATE_PUBLIC_URL\?/],
    ["legate_port", /Did you mean LEGATE_PORT\?/],
    ["LEGATE_COLOUR_OF_THE_ROOM", /has no effect\.$/],
  ])("%s is warned about", (name, warning) => {
    expect(readConfig({ [name]: "s3cret" }).warnings).toEqual([expect.stringMatching(warning)]);
    expect(readConfig({ [name]: "s3cret" }).warnings.join()).not.toContain("s3cret");
  });

  test("is left alone where it belongs to tests, the SDK or somebody else", () => {
    const ofTheSdk = ["LEGATE_URL", "LEGATE_AGENT", "LEGATE_AGENT_KEY", "LEGATE_OPERATOR_KEY", "LEGATE_WORKLOAD_TOKEN", "LEGATE_PROFILE"];
    const others = [...ofTheSdk, "LEGATE_TEST_DATABASE_URL", "LEGATES", "PATH"];
    expect(readConfig(Object.fromEntries(others.map((name) => [name, "x"]))).warnings).toEqual([]);
  });
});

test("every setting has a sentence and a name of its own", () => {
  const all = Object.values(settings);
  expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
  for (const { sentence } of all) expect(sentence).toMatch(/^[A-Z`].*\.$/);
});
