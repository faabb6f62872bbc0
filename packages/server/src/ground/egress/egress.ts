import { lookup as systemLookup } from "node:dns/promises";
import type { RequestInit as UndiciInit, Response as UndiciResponse } from "undici";
import { Refusal } from "../kernel/index.ts";
import { allowedBy } from "./addresses.ts";
import { type Door, inspect, type Lookup, makeDoor } from "./door.ts";
import { EgressBlocked, EgressFailed, failure } from "./errors.ts";
import { makeLookups } from "./lookups.ts";

export interface EgressSettings {
  /** CIDRs, addresses and host names (exact, in any case) that may be reached beyond public addresses, also by http. */
  readonly allow: readonly string[];
}

/** What one request may take; milliseconds and bytes. */
export interface EgressLimits {
  /** From the first lookup to the last byte, redirects included. */
  readonly totalMs: number;
  readonly connectMs: number;
  /** Without a byte arriving. */
  readonly idleMs: number;
  readonly headerBytes: number;
  /** Counted after decompression. */
  readonly bodyBytes: number;
  /**
   * Requests that one origin may keep waiting at once, and names of one domain that wait to be looked up: one that hangs takes this much of the process,
   * and no more.
   */
  readonly perOrigin: number;
}

export interface Egress {
  /**
   * WHATWG fetch, guarded; it answers once the whole body is here. A redirect of GET and HEAD is followed up to three times, each hop checked
   * anew and without what only the first origin may see, unless `redirect` is `manual` or `error`; any other method is never redirected.
   *
   * @param tighter Less than the limits that hold every request.
   * @throws EgressBlocked where the URL, or an address of its name, may not be reached
   * @throws EgressFailed where the request came to nothing; an abort by `init.signal` throws that signal's reason
   */
  readonly fetch: (
    url: string | URL,
    init?: RequestInit,
    tighter?: Partial<Pick<EgressLimits, "totalMs" | "bodyBytes">>,
  ) => Promise<Response>;
  /**
   * Whether a URL may be configured at all, as far as can be told without DNS.
   *
   * @throws Refusal invalid_request, with `details.reason` one of malformed, scheme, credentials, address
   */
  readonly checkUrl: (url: string) => void;
  /** Ends when what is under way has ended; nothing begins after it. */
  close(): Promise<void>;
}

const defaults: EgressLimits = {
  totalMs: 20_000,
  connectMs: 5_000,
  idleMs: 10_000,
  headerBytes: 16_384,
  bodyBytes: 1_048_576,
  perOrigin: 256,
};
const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const mostRedirects = 3;
/** All that follows a redirect to another origin: a header that is not here may be a credential. */
const harmless: readonly string[] = ["accept", "accept-language", "user-agent"];
/** Statuses whose answers have no body; `Response` refuses one. */
const bodiless: ReadonlySet<number> = new Set([204, 205, 304]);

const readBody = async (response: UndiciResponse, most: number, where: string): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  if (!reader) return new Uint8Array();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(chunks);
    size += value.byteLength;
    if (size > most) {
      reader.cancel().catch(() => {});
      throw new EgressFailed("too_large", `The answer of ${where} is larger than ${most} bytes.`);
    }
    chunks.push(value);
  }
};

/**
 * @param parts Stand-ins for what is not ours (name resolution), and tighter limits.
 * @throws TypeError for an entry of `allow` that is no CIDR, address or host name
 */
export const makeEgress = (settings: EgressSettings, parts: { lookup?: Lookup; limits?: Partial<EgressLimits> } = {}): Egress => {
  const limits = { ...defaults, ...parts.limits };
  const allowed = allowedBy(settings.allow);
  const lookup = parts.lookup ?? ((hostname) => systemLookup(hostname, { all: true }));
  const lookups = makeLookups(lookup, { waitMs: limits.connectMs, perDomain: limits.perOrigin });

  let door: Door | undefined;
  let closing: Promise<void> | undefined;
  const waiting = new Map<string, number>();

  /** Takes a place among those who wait for an origin, and answers how to give it back. */
  const queueAt = (origin: string): (() => void) => {
    const before = waiting.get(origin) ?? 0;
    if (before >= limits.perOrigin) throw new EgressFailed("crowded", `Too many requests wait for ${origin} already.`);
    waiting.set(origin, before + 1);
    return () => {
      const left = (waiting.get(origin) ?? 1) - 1;
      if (left === 0) waiting.delete(origin);
      else waiting.set(origin, left);
    };
  };

  const send = async (given: string | URL, init: RequestInit, signal: AbortSignal, bodyBytes: number): Promise<Response> => {
    let url = inspect(given, allowed);
    if (closing) throw new EgressFailed("network", `No request to ${url.origin} begins any more.`);
    const through = (door ??= makeDoor(allowed, lookups, limits));
    const method = (init.method ?? "GET").toUpperCase();
    let headers = new Headers(init.headers);
    if (!headers.has("user-agent")) headers.set("user-agent", "legate");
    for (let hops = 0; ; hops += 1) {
      const asked = { ...init, method, headers: [...headers], redirect: "manual", signal, dispatcher: through.dispatcher };
      // The DOM's RequestInit and undici's differ in name only.
      const response = await through.fetch(url, asked as unknown as UndiciInit);
      const location = redirects.has(response.status) ? response.headers.get("location") : null;
      const followable = method === "GET" || method === "HEAD";
      if (location === null || (followable && init.redirect === "manual")) {
        const body = await readBody(response, bodyBytes, url.origin);
        const { status, statusText } = response;
        return new Response(bodiless.has(status) || method === "HEAD" ? null : (body as Uint8Array<ArrayBuffer>), {
          status,
          statusText,
          headers: [...response.headers],
        });
      }
      response.body?.cancel().catch(() => {});
      if (!followable || init.redirect === "error") throw new EgressFailed("redirect", `${url.origin} answered with a redirect.`);
      if (hops === mostRedirects) throw new EgressFailed("redirect", `${url.origin} redirects once too often.`);
      const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
      if (!next) throw new EgressFailed("redirect", `${url.origin} redirects to what is not a URL.`);
      inspect(next, allowed);
      if (next.origin !== url.origin) headers = new Headers([...headers].filter(([name]) => harmless.includes(name)));
      url = next;
    }
  };

  return {
    fetch: async (given, init = {}, tighter = {}) => {
      const totalMs = Math.min(limits.totalMs, tighter.totalMs ?? limits.totalMs);
      const bodyBytes = Math.min(limits.bodyBytes, tighter.bodyBytes ?? limits.bodyBytes);
      init.signal?.throwIfAborted();
      const leave = queueAt(URL.canParse(String(given)) ? new URL(given).origin : "nowhere");
      const clock = new AbortController();
      const timer = setTimeout(() => clock.abort(), totalMs);
      try {
        return await send(given, init, init.signal ? AbortSignal.any([init.signal, clock.signal]) : clock.signal, bodyBytes);
      } catch (thrown) {
        const where = URL.canParse(String(given)) ? new URL(given).origin : "nowhere";
        if (init.signal?.aborted) throw init.signal.reason;
        if (clock.signal.aborted) throw new EgressFailed("timeout", `The request to ${where} took longer than ${totalMs} ms.`);
        throw failure(thrown, where);
      } finally {
        clearTimeout(timer);
        leave();
      }
    },

    checkUrl: (given) => {
      try {
        inspect(given, allowed);
      } catch (problem) {
        if (!(problem instanceof EgressBlocked)) throw problem;
        throw new Refusal("invalid_request", problem.message, { reason: problem.reason });
      }
    },

    close: () => (closing ??= door?.dispatcher.close() ?? Promise.resolve()),
  };
};
