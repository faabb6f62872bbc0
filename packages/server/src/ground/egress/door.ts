import type { LookupAddress } from "node:dns";
import { createRequire } from "node:module";
import type { LookupFunction } from "node:net";
import { callbackify } from "node:util";
import type * as Undici from "undici";
import { type Allowed, addressOf, isPublic } from "./addresses.ts";
import { EgressBlocked } from "./errors.ts";

/** Every address of a host name. */
export type Lookup = (hostname: string) => Promise<readonly LookupAddress[]>;

type Scheme = "http:" | "https:";

const isScheme = (protocol: string): protocol is Scheme => protocol === "http:" || protocol === "https:";

/** Refuses an address of `host` that may not be reached: https goes to public and allowed ones, http only to allowed ones. */
const judge = (host: string, literal: string, scheme: Scheme, allowed: Allowed): void => {
  const address = addressOf(literal);
  if (address && allowed.address(address)) return;
  // Where a name points is not told: whoever may name a URL would read the names of the network behind this server.
  const what = host === literal || host === `[${literal}]` ? "is not" : "is not at";
  if (!address || !isPublic(address)) throw new EgressBlocked("address", `${host} ${what} a public address, nor in LEGATE_EGRESS_ALLOW.`);
  if (scheme === "http:") throw new EgressBlocked("scheme", `${host} may be reached by https only, unless it is in LEGATE_EGRESS_ALLOW.`);
};

/**
 * What can be told of a URL without asking DNS.
 *
 * @throws EgressBlocked
 */
export const inspect = (given: string | URL, allowed: Allowed): URL => {
  if (!URL.canParse(String(given))) throw new EgressBlocked("malformed", "This is not an absolute URL.");
  const url = new URL(given);
  if (!isScheme(url.protocol)) throw new EgressBlocked("scheme", `The scheme "${url.protocol.slice(0, -1)}" is not https.`);
  if (url.username !== "" || url.password !== "") throw new EgressBlocked("credentials", "The URL carries a user name or password.");
  // URL has turned decimal, octal, hexadecimal and short IPv4 forms into dotted ones by now (WHATWG URL 3.5).
  const host = url.hostname;
  if (allowed.name(host)) return url;
  if (addressOf(host)) judge(host, host, url.protocol, allowed);
  else if (url.protocol === "http:" && !allowed.anyAddress) {
    throw new EgressBlocked("scheme", `${host} may be reached by https only, unless it is in LEGATE_EGRESS_ALLOW.`);
  }
  return url;
};

/** By `require`, which tries again where it failed once, for want of an open file say; a failed `import` fails for as long as the process lives. */
const require = createRequire(import.meta.url);

/** Limits of one connection; see {@link makeDoor}. */
export interface DoorLimits {
  readonly connectMs: number;
  readonly idleMs: number;
  readonly headerBytes: number;
}

/** What a request leaves by: `dispatcher` goes with each `fetch`. */
export interface Door {
  readonly fetch: typeof Undici.fetch;
  readonly dispatcher: Undici.Agent;
}

/**
 * The dispatcher through which every request leaves. The addresses that were checked are the ones the socket is told to connect to: nothing
 * resolves a name twice for one connection, so that a name cannot change its meaning in between. Undici is loaded here and nowhere else: a process
 * that calls nobody does without its 10 MB.
 */
export const makeDoor = (allowed: Allowed, lookup: Lookup, limits: DoorLimits): Door => {
  const { Agent, buildConnector, fetch } = require("undici") as typeof Undici;
  const checked = async (hostname: string, scheme: Scheme): Promise<readonly LookupAddress[]> => {
    const addresses = await lookup(hostname);
    if (addresses.length === 0) throw Object.assign(new Error("no address"), { code: "ENOTFOUND" });
    if (!allowed.name(hostname)) for (const { address } of addresses) judge(hostname, address, scheme, allowed);
    return addresses;
  };

  const connectorOf = (scheme: Scheme) => {
    const look = callbackify((hostname: string) => checked(hostname, scheme));
    const guarded: LookupFunction = (hostname, options, callback) => {
      look(hostname, (problem, addresses) => {
        const [first] = addresses ?? [];
        if (problem || !first) callback(problem, "");
        else if (options.all) callback(null, [...addresses]);
        else callback(null, first.address, first.family);
      });
    };
    return buildConnector({ lookup: guarded, timeout: limits.connectMs, allowH2: false });
  };
  const connectors = { "http:": connectorOf("http:"), "https:": connectorOf("https:") };

  const dispatcher = new Agent({
    connect: (options, callback) => {
      try {
        if (!isScheme(options.protocol)) throw new EgressBlocked("scheme", "The scheme is not https.");
        // A socket does not look a literal address up, so that it is judged here.
        if (addressOf(options.hostname)) judge(options.hostname, options.hostname, options.protocol, allowed);
        connectors[options.protocol](options, callback);
      } catch (problem) {
        callback(problem as Error, null);
      }
    },
    connections: 32,
    pipelining: 1,
    keepAliveTimeout: 4_000,
    keepAliveMaxTimeout: 60_000,
    headersTimeout: limits.idleMs,
    bodyTimeout: limits.idleMs,
    maxHeaderSize: limits.headerBytes,
  });
  return { fetch, dispatcher };
};
