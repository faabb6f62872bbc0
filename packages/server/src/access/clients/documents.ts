import type { Db } from "../../ground/db/index.ts";
import { type Egress, EgressBlocked, EgressFailed, type FailedReason } from "../../ground/egress/index.ts";
import type { Job } from "../../ground/jobs/index.ts";
import { type Clock, makeRecent } from "../../ground/kernel/index.ts";
import type { Limits } from "../../ground/limits/index.ts";
import type { Client } from "./client.ts";
import { clientOfDocument, DocumentRefused, parseDocument } from "./document.ts";
import { documentsTable, type StoredDocument } from "./documents-table.ts";
import type { Absent } from "./find.ts";
import { freshFor } from "./freshness.ts";
import { awayFor } from "./refused.ts";

interface Needs {
  readonly db: Db;
  readonly egress: Pick<Egress, "fetch">;
  readonly clock: Clock;
  /** Hold whoever has documents fetched. Without them nobody is limited. */
  readonly limits?: Pick<Limits, "mayGuess" | "guessed"> | undefined;
  /** Forgets what hangs on a document that nobody uses, before it is forgotten itself; it may stop before it is through. */
  readonly onForgotten: (tenant: string, url: string, signal: AbortSignal) => Promise<void>;
}

/** Draft 8.6 recommends 5 kilobytes. */
const bounds = { bodyBytes: 5 * 1024, totalMs: 5_000 };
/** Milliseconds: before a document is asked for again that was wrong, or that could not be had, and how long one is kept that nobody uses. */
const pauses = { wrong: 60_000, away: awayFor * 1_000 };
const unusedFor = 30 * 24 * 60 * 60_000;
/** How stale `usedAt` may be. */
const touchEvery = 24 * 60 * 60_000;
const mostOfTenant = 1_000;
const sweptAtOnce = 500;

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Why a document could not be had. */
interface Failure {
  /** For the record. */
  readonly reason: string;
  /** Its host is in trouble, or the way to it; the document may be as good as ever. */
  readonly isPassing: boolean;
}

const passing: ReadonlySet<FailedReason> = new Set(["dns", "network", "timeout", "crowded"]);

const failureOf = (error: unknown): Failure | undefined => {
  if (error instanceof EgressFailed) return { reason: error.reason, isPassing: passing.has(error.reason) };
  if (error instanceof DocumentRefused) return { reason: error.reason, isPassing: false };
  return error instanceof EgressBlocked ? { reason: `blocked_${error.reason}`, isPassing: false } : undefined;
};

/** RFC 6839 3.1: JSON, or a type that is written in it. */
const isJson = (headers: Headers): boolean => /^application\/([a-z0-9!#$&^_.+-]+\+)?json *(;|$)/i.test(headers.get("content-type") ?? "");

/** Clients that are known by the document at their id (draft-ietf-oauth-client-id-metadata-document). */
export const makeDocuments = ({ db, egress, clock, limits, onForgotten }: Needs) => {
  /** Fetches under way, so that however many ask for one document, its host is asked once. */
  const flights = new Map<string, Promise<StoredDocument | Failure>>();
  const failures = makeRecent<Failure & { readonly at: number }>(1_000);

  const fetchDocument = async (url: string): Promise<StoredDocument | Failure> => {
    try {
      // Draft 5: redirects are not followed, and 200 is the only answer that counts.
      const response = await egress.fetch(url, { headers: { accept: "application/json" }, redirect: "error" }, bounds);
      if (response.status !== 200) return { reason: "status", isPassing: response.status >= 500 || response.status === 429 };
      if (!isJson(response.headers)) return { reason: "content_type", isPassing: false };
      const body = await response.arrayBuffer();
      const text = (() => {
        try {
          return decoder.decode(body);
        } catch {
          throw new DocumentRefused("malformed");
        }
      })();
      const now = clock();
      return { ...parseDocument(text, url), fetchedAt: now, freshUntil: now + freshFor(response.headers, now), usedAt: now };
    } catch (error) {
      const failure = failureOf(error);
      if (failure === undefined) throw error;
      return failure;
    }
  };

  const fetchAndKeep = async (key: string, tenant: string, url: string): Promise<StoredDocument | Failure> => {
    const found = await fetchDocument(url);
    if ("reason" in found) {
      // Nothing of it is believed; its host is only not asked again at once.
      failures.set(key, { ...found, at: clock() });
      return found;
    }
    await db.write(async (tx) => {
      await documentsTable.put(tx, tenant, url, found);
      await documentsTable.keep(tx, tenant, mostOfTenant);
    });
    return found;
  };

  const fetchOnce = (tenant: string, url: string, address: string | undefined): Promise<StoredDocument | Failure> => {
    // Neither a tenant's name nor a URL has a blank.
    const key = `${tenant} ${url}`;
    const failed = failures.get(key);
    if (failed && Math.abs(clock() - failed.at) < (failed.isPassing ? pauses.away : pauses.wrong)) return Promise.resolve(failed);
    const under = flights.get(key);
    if (under) return under;
    if (address !== undefined) {
      // Whoever names URLs makes us call them: that is held as tightly as guessing.
      limits?.mayGuess(address, "key");
      limits?.guessed(address, "key");
    }
    const flight = fetchAndKeep(key, tenant, url).finally(() => flights.delete(key));
    flights.set(key, flight);
    return flight;
  };

  return {
    /**
     * The client whose metadata document is at this URL: as it was last fetched while that is fresh, else fetched now.
     * @param url Fit to be a client id.
     * @param address Who has it fetched.
     * @throws Refusal rate_limited
     */
    find: async (tenant: string, url: string, address: string | undefined): Promise<Client | Absent> => {
      const now = clock();
      const stored = await documentsTable.byId(db.read, tenant, url);
      // One that lies in the future was fetched before the clock was set back.
      const isFresh = stored !== undefined && stored.fetchedAt <= now && now < stored.freshUntil;
      const found = isFresh ? stored : await fetchOnce(tenant, url, address);
      if ("reason" in found) return { absent: `document_${found.reason}`, isPassing: found.isPassing };
      if (now - found.usedAt >= touchEvery) await db.write((tx) => documentsTable.touch(tx, tenant, url, now));
      return clientOfDocument(tenant, url, found.document, found.hash);
    },

    /** Forgets documents that nobody uses. */
    prune: {
      name: "client_documents.prune",
      every: 60 * 60_000,
      isNeeded: () => documentsTable.anyUnusedSince(db.read, clock() - unusedFor),
      run: async (signal) => {
        const moment = clock() - unusedFor;
        for (;;) {
          const unused = await documentsTable.unusedSince(db.read, moment, sweptAtOnce);
          for (const { tenant, id } of unused) {
            await onForgotten(tenant, id, signal);
            if (signal.aborted) return;
          }
          await db.write((tx) => documentsTable.deleteUnused(tx, unused, moment));
          if (unused.length < sweptAtOnce) return;
        }
      },
    } satisfies Job,
  };
};
