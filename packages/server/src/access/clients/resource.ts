import type { Random } from "../../ground/kernel/index.ts";

/** What may be asked for at a resource. */
export interface ResourceScope {
  readonly name: string;
  readonly description: string | undefined;
  /** Which of the resource's agents may have it (entries as `mayUse` reads them), and nobody else: no app. Undefined: whoever may use the resource. */
  readonly agents: readonly string[] | undefined;
}

/** What access tokens are for (RFC 8707): an API, a gateway, another service. */
export interface Resource {
  /** `res_` and 32 hex digits, never reused. */
  readonly id: string;
  /** The audience of its tokens: an absolute URI, compared character for character. */
  readonly identifier: string;
  readonly name: string;
  /** Which agents may have tokens for it: entries as `mayUse` reads them. */
  readonly agents: readonly string[];
  /** Which apps may ask people for it: ids of clients, `registered` for all that an operator registered, `*` for any. */
  readonly clients: readonly string[];
  /** Which agents are this resource, and may introspect and exchange what it was sent: entries as `mayUse` reads them. */
  readonly servers: readonly string[];
  readonly scopes: readonly ResourceScope[];
  readonly createdAt: number;
  readonly updatedAt: number;
}

export const newResourceId = (random: Random): string => `res_${random(16).toString("hex")}`;

export const isResourceId = (text: string): boolean => /^res_[0-9a-f]{32}$/.test(text);

/** OpenID Connect Core 3.1.2.1, 11: what a person grants about themselves and not at a resource. */
const personal: ReadonlySet<string> = new Set(["openid", "offline_access"]);
/** OpenID Connect Core 5.4: asks for what a person is called and where they are reached. Nobody is told any of it here. */
const untold: ReadonlySet<string> = new Set(["profile", "email", "address", "phone"]);
/** The names that OpenID Connect took; a resource may not mean something else by them. */
const reserved: ReadonlySet<string> = new Set([...personal, ...untold]);

/** Whether a scope is about the person who logs in. */
export const isPersonal = (scope: string): boolean => personal.has(scope);
/** Whether a scope asks for what nobody is told. */
export const isUntold = (scope: string): boolean => untold.has(scope);
/** Whether a scope's name means the same everywhere. */
export const isReserved = (scope: string): boolean => reserved.has(scope);

/** RFC 3986 4.3: an absolute URI, in ASCII, without a fragment (RFC 8707 2). */
const absoluteUri = /^[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~!$&'()*+,;=:@%/?[\]-]+$/;

/**
 * What is wrong with an identifier; undefined where it may be registered. Nothing at our own address may: what we ask of tokens for ourselves is
 * decided here, in this tenant and in any other.
 * @param publicUrl The origin of every issuer of this installation.
 */
export const faultOfIdentifier = (identifier: string, publicUrl: string): string | undefined => {
  if (!absoluteUri.test(identifier)) return "must be an absolute URI in ASCII, without a fragment";
  if (!/^https?:/i.test(identifier)) return undefined;
  if (!/^https?:\/\/[^/]/i.test(identifier) || !URL.canParse(identifier)) return "must be an absolute URI in ASCII, without a fragment";
  const { origin, username, password } = new URL(identifier);
  if (username !== "" || password !== "") return "must not hold a user name or password";
  return origin === new URL(publicUrl).origin ? "must not be at Legate's own address" : undefined;
};
