import { join, resolve } from "node:path";
import { ConfigError } from "./config-error.ts";
import { isLoopback } from "./parsers.ts";
import { type Setting, Unfit } from "./setting.ts";
import { settings } from "./settings.ts";
import { unknownNames } from "./unknown-names.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What was set, parsed; what was not is undefined. */
type Given = { readonly [Key in keyof typeof settings]: ReturnType<(typeof settings)[Key]["parse"]> | undefined };

/** How this server runs. Keys stand apart in `secrets`; of the rest only `database.url` may hold a password. */
export interface Config {
  readonly port: number;
  readonly host: string;
  /** An origin: no path, no slash at its end. */
  readonly publicUrl: string;
  /** Absolute. */
  readonly dataDir: string;
  readonly database: { readonly engine: "sqlite"; readonly path: string } | { readonly engine: "postgres"; readonly url: string };
  readonly egressAllow: readonly string[];
  /** What the default rate limits are multiplied by. */
  readonly rateLimits: number | "off";
  /** What stands as the region in ARNs. */
  readonly region: string;
  readonly trustedProxies: readonly string[];
  readonly corsOrigins: readonly string[];
  readonly tls?: { readonly certPath: string; readonly keyPath: string };
  /** For how many days audit events are kept; for ever where it is left out. */
  readonly auditRetentionDays?: number;
  readonly logLevel: NonNullable<Given["logLevel"]>;
  /** The endpoint has no slash at its end. */
  readonly telemetry?: { readonly endpoint: string; readonly serviceName: string };
  /** Whether others than this machine can reach the server. */
  readonly exposed: boolean;
  /** Cookies are `Secure` and `__Host-` exactly when the public URL is https. */
  readonly secureCookies: boolean;
  /** Sentences to log at start. */
  readonly warnings: readonly string[];
  readonly secrets: { readonly adminKey?: string; readonly masterKey?: Buffer; readonly oldMasterKey?: Buffer };
}

/** First step: each variable by itself. An empty one counts as not set. */
const parseEach = (env: Environment, problems: string[]): Given => {
  const parsed = Object.entries<Setting<unknown>>(settings).map(([key, { name, parse }]) => {
    const text = env[name]?.trim() ?? "";
    if (text === "") return [key, undefined];
    try {
      return [key, parse(text)];
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      problems.push(`${name} must ${error.message}.`);
      return [key, undefined];
    }
  });
  return Object.fromEntries(parsed) as Given;
};

const urlHost = (host: string): string => (host.includes(":") ? `[${host}]` : host);

/** A wildcard address is no address to call; its loopback is. */
const callable = (host: string): string => (host === "0.0.0.0" || host === "localhost" ? "127.0.0.1" : host === "::" ? "::1" : host);

/** Second step: what the settings mean together. */
const combine = (given: Given, env: Environment, problems: string[]): Config => {
  const unset = (name: string) => (env[name]?.trim() ?? "") === "";
  const { name } = settings.publicUrl;
  const tls = given.tlsCert !== undefined && given.tlsKey !== undefined ? { certPath: given.tlsCert, keyPath: given.tlsKey } : undefined;
  if (unset(settings.tlsCert.name) !== unset(settings.tlsKey.name)) {
    problems.push(`${settings.tlsCert.name} and ${settings.tlsKey.name} go together: set both or neither.`);
  }

  const port = given.port ?? 8700;
  const host = given.host ?? "127.0.0.1";
  const publicUrl = given.publicUrl ?? new URL(`${tls ? "https" : "http"}://${urlHost(callable(host))}:${port}`).origin;
  const exposed = !isLoopback(host) || !isLoopback(new URL(publicUrl).hostname);
  const secure = publicUrl.startsWith("https:");
  if (exposed && given.publicUrl === undefined && unset(name)) {
    problems.push(`${name} must be set, to an https URL, because the server listens beyond loopback (${settings.host.name} is ${host}).`);
  } else if (exposed && !secure && given.publicUrl !== undefined) {
    problems.push(`${name} must begin https://, because the server can be reached from beyond loopback.`);
  } else if (tls && !secure) {
    problems.push(`${name} must begin https://, because the server itself serves https (${settings.tlsCert.name}).`);
  }

  if (given.databaseUrl !== undefined && unset(settings.masterKey.name)) {
    problems.push(
      `${settings.masterKey.name} must be set with PostgreSQL: \`openssl rand -base64 32\` makes one. Keep it apart from the database.`,
    );
  }

  const dataDir = resolve(given.dataDir ?? ".legate");
  return {
    port,
    host,
    publicUrl,
    dataDir,
    database:
      given.databaseUrl === undefined
        ? { engine: "sqlite", path: join(dataDir, "legate.db") }
        : { engine: "postgres", url: given.databaseUrl },
    egressAllow: given.egressAllow ?? [],
    rateLimits: given.rateLimits ?? 1,
    region: given.region ?? "cn-beijing",
    trustedProxies: given.trustedProxies ?? [],
    corsOrigins: given.corsOrigins ?? [],
    ...(tls && { tls }),
    ...(given.auditRetentionDays !== undefined && { auditRetentionDays: given.auditRetentionDays }),
    logLevel: given.logLevel ?? "info",
    ...(given.otlpEndpoint !== undefined && {
      telemetry: { endpoint: given.otlpEndpoint, serviceName: given.otelServiceName ?? "legate" },
    }),
    exposed,
    secureCookies: secure,
    warnings: unknownNames(env),
    secrets: {
      ...(given.adminKey !== undefined && { adminKey: given.adminKey }),
      ...(given.masterKey !== undefined && { masterKey: given.masterKey }),
      ...(given.oldMasterKey !== undefined && { oldMasterKey: given.oldMasterKey }),
    },
  };
};

/**
 * Reads the settings from an environment.
 * @throws ConfigError that lists every problem at once
 */
export const readConfig = (env: Environment): Config => {
  const problems: string[] = [];
  const config = combine(parseEach(env, problems), env, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
};
