import * as read from "./parsers.ts";
import { setting } from "./setting.ts";

/** Every setting, in the order of the reference. */
export const settings = {
  port: setting({
    name: "LEGATE_PORT",
    sentence: "The port to listen on; 0 takes any free one.",
    default: "8700",
    parse: read.port,
  }),
  host: setting({
    name: "LEGATE_HOST",
    sentence: "The host name or address to listen on. Beyond loopback the public URL must be https.",
    default: "127.0.0.1",
    parse: read.host,
  }),
  publicUrl: setting({
    name: "LEGATE_PUBLIC_URL",
    sentence:
      "The origin by which browsers, agents and providers reach this server. It is the issuer of its tokens and the base of its consent and callback URLs, so it must not change later.",
    default: "`http://{host}:{port}`",
    parse: read.origin,
  }),
  dataDir: setting({
    name: "LEGATE_DATA_DIR",
    sentence: "The folder of the embedded store and the master key file; made with mode 700 at first start.",
    default: "./.legate",
    parse: read.path,
  }),
  databaseUrl: setting({
    name: "LEGATE_DATABASE_URL",
    sentence: "`postgres://user:password@host:5432/database`: store everything in PostgreSQL. LEGATE_MASTER_KEY must then be given.",
    default: "the embedded store in LEGATE_DATA_DIR",
    secret: true,
    parse: read.databaseUrl,
  }),
  adminKey: setting({
    name: "LEGATE_ADMIN_KEY",
    sentence: "The first operator's key: 32 to 256 printable characters. A changed one replaces the former at the next start.",
    default: "made at first start and printed once",
    secret: true,
    parse: read.adminKey,
  }),
  masterKey: setting({
    name: "LEGATE_MASTER_KEY",
    sentence: "The key under which every stored secret is sealed: 32 bytes as base64 or hex. Without it nothing stored can be read.",
    default: "a key file in LEGATE_DATA_DIR, mode 600; none with PostgreSQL",
    secret: true,
    parse: read.masterKey,
  }),
  oldMasterKey: setting({
    name: "LEGATE_MASTER_KEY_OLD",
    sentence:
      "A second master key that only opens what it sealed, while one is changed for the other: 32 bytes as base64 or hex. Take it away when `GET /v1/master-key` says that it is not needed.",
    default: "the file master.key.old in LEGATE_DATA_DIR, where the key file is used and there is one",
    secret: true,
    parse: read.masterKey,
  }),
  egressAllow: setting({
    name: "LEGATE_EGRESS_ALLOW",
    sentence:
      "CIDRs, addresses and host names beyond public ones that providers and issuers may be at, parted by commas; http is allowed there.",
    default: "none",
    parse: read.cidrsAndHosts,
  }),
  rateLimits: setting({
    name: "LEGATE_RATE_LIMITS",
    sentence: "How often callers may ask: `default`, `off`, or a factor that every default limit is multiplied by, such as 2 or 0.5.",
    default: "default",
    parse: read.rateLimits,
  }),
  region: setting({
    name: "LEGATE_REGION",
    sentence: "The region that stands in the ARNs of the Alibaba Cloud wire: the one its clients are set to.",
    default: "cn-beijing",
    parse: read.region,
  }),
  trustedProxies: setting({
    name: "LEGATE_TRUSTED_PROXIES",
    sentence: "Addresses and CIDRs of proxies whose X-Forwarded-For is believed, parted by commas.",
    default: "none",
    parse: read.cidrs,
  }),
  corsOrigins: setting({
    name: "LEGATE_CORS_ORIGINS",
    sentence: "Origins of web pages that may call /v1 from a browser, parted by commas.",
    default: "none",
    parse: read.origins,
  }),
  tlsCert: setting({
    name: "LEGATE_TLS_CERT",
    sentence: "The file of the certificate chain (PEM) to serve https with. Goes with LEGATE_TLS_KEY.",
    default: "plain http, for a proxy that ends TLS in front",
    parse: read.path,
  }),
  tlsKey: setting({
    name: "LEGATE_TLS_KEY",
    sentence: "The file of the certificate's private key (PEM). Goes with LEGATE_TLS_CERT.",
    default: "plain http",
    parse: read.path,
  }),
  auditRetentionDays: setting({
    name: "LEGATE_AUDIT_RETENTION_DAYS",
    sentence:
      "For how many days audit events are kept, 1 to 36500. Older ones are deleted, in whole blocks, and a signed checkpoint tells how many there were.",
    default: "events are kept for ever",
    parse: read.days,
  }),
  logLevel: setting({
    name: "LEGATE_LOG_LEVEL",
    sentence: "How much is logged: fatal, error, warn, info, debug, trace or silent.",
    default: "info",
    parse: read.oneOf("fatal", "error", "warn", "info", "debug", "trace", "silent"),
  }),
  otlpEndpoint: setting({
    name: "OTEL_EXPORTER_OTLP_ENDPOINT",
    sentence: "Where OpenTelemetry spans are sent, as OTLP over HTTP.",
    default: "no spans are made",
    parse: read.endpoint,
  }),
  otelServiceName: setting({
    name: "OTEL_SERVICE_NAME",
    sentence: "The service name that spans carry.",
    default: "legate",
    parse: read.plainName,
  }),
} as const;
