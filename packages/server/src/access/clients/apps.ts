import type { clientChange, newClient } from "@legate/contract";
import type { z } from "zod";
import type { Audit } from "../../ground/audit/index.ts";
import type { Db, Handle } from "../../ground/db/index.ts";
import { type Clock, type Page, type PageAsk, type Principal, readPage, type Random, Refusal } from "../../ground/kernel/index.ts";
import type { App } from "./app.ts";
import { appsTable } from "./apps-table.ts";
import { kindOfClientId, newAppId } from "./client-id.ts";
import { faultOfRedirectUri } from "./redirect-uri.ts";

export type NewApp = z.output<typeof newClient>;
export type AppChange = z.output<typeof clientChange>;

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly random: Random;
  /** The id of a trusted issuer; nobody removes it until the transaction ends. @throws Refusal issuer_unknown */
  readonly holdIssuer: (tx: Handle, tenant: string, nameOrId: string) => Promise<string>;
  /** Forgets an app that goes, wherever it is named. */
  readonly onRemoved: (tx: Handle, who: Principal, clientId: string) => Promise<void>;
}

const unknown = (ref: string): Refusal => new Refusal("client_unknown", `There is no client ${ref}.`, { client: ref });

/** Each of them once. @throws Refusal invalid_request that names the first one that may not be registered */
const redirectUrisIn = (uris: readonly string[]): readonly string[] => {
  for (const [at, uri] of uris.entries()) {
    const fault = faultOfRedirectUri(uri);
    if (fault === undefined) continue;
    const message = `may not be a redirect URI (${fault})`;
    throw new Refusal("invalid_request", `A redirect URI cannot be registered: ${fault}.`, {
      issues: [{ path: `redirectUris.${at}`, message }],
    });
  }
  return [...new Set(uris)];
};

const scopesIn = (scopes: readonly string[]): readonly string[] => [...new Set(scopes)].sort();

/** What stands for all registered apps in a list of who may ask for a resource. */
const registered = "registered";

const isApp = (ref: string): boolean => kindOfClientId(ref) === "app";

export const makeApps = ({ db, audit, clock, random, holdIssuer, onRemoved }: Needs) => {
  const find = async (handle: Handle, tenant: string, ref: string): Promise<App> => {
    const found = isApp(ref) ? await appsTable.byId(handle, tenant, ref) : await appsTable.byName(handle, tenant, ref);
    if (!found) throw unknown(ref);
    return found;
  };

  const held = async (tx: Handle, tenant: string, ref: string): Promise<App> => {
    const app = await appsTable.lock(tx, tenant, (await find(tx, tenant, ref)).id);
    if (!app) throw unknown(ref);
    return app;
  };

  /** What people granted it carries its epoch, so raising that is the whole of its end. */
  const setStatus = (who: Principal, ref: string, status: App["status"], action: string): Promise<App> =>
    db.write(async (tx) => {
      const current = await held(tx, who.tenant, ref);
      const app: App = { ...current, status, epoch: current.epoch + 1, updatedAt: clock() };
      await appsTable.update(tx, who.tenant, app);
      await audit.record(tx, who, action, { target: app.id, details: { name: app.name } });
      await db.changes.announce(tx, who.tenant, "client", app.id);
      return app;
    });

  return {
    /** @throws Refusal client_exists, issuer_unknown; invalid_request for a redirect URI that may not be registered */
    create: async (who: Principal, wanted: NewApp): Promise<App> => {
      if (isApp(wanted.name) || wanted.name === registered) {
        const message = "may not look like a client's id, nor be what all registered apps are called";
        throw new Refusal("invalid_request", `A name ${message}.`, { issues: [{ path: "name", message }] });
      }
      const now = clock();
      const blank: App = {
        id: newAppId(random),
        name: wanted.name,
        title: wanted.title,
        redirectUris: redirectUrisIn(wanted.redirectUris),
        issuerId: undefined,
        scopes: wanted.scopes && scopesIn(wanted.scopes),
        status: "active",
        version: 1,
        epoch: 0,
        createdAt: now,
        updatedAt: now,
      };
      return db.write(async (tx) => {
        const app = wanted.issuer === undefined ? blank : { ...blank, issuerId: await holdIssuer(tx, who.tenant, wanted.issuer) };
        if (!(await appsTable.insert(tx, who.tenant, app))) {
          throw new Refusal("client_exists", `There is already a client named ${app.name}.`, { client: app.name });
        }
        const { id, name, redirectUris, scopes } = app;
        await audit.record(tx, who, "client.created", { target: id, details: { name, redirectUris, scopes } });
        return app;
      });
    },

    /** Newest first. @throws Refusal invalid_request for an unknown cursor */
    list: async (tenant: string, ask: PageAsk): Promise<Page<App>> => {
      return readPage(
        [tenant, "clients"],
        ask,
        (place, most) => appsTable.list(db.read, tenant, place, most),
        ({ createdAt, id }) => ({ at: createdAt, id }),
      );
    },

    /** @throws Refusal client_unknown */
    get: (tenant: string, ref: string): Promise<App> => find(db.read, tenant, ref),

    /** @throws Refusal client_unknown, issuer_unknown; invalid_request for a redirect URI that may not be registered */
    update: async (who: Principal, ref: string, change: AppChange): Promise<App> => {
      const redirectUris = change.redirectUris && redirectUrisIn(change.redirectUris);
      const { title, scopes, issuer } = change;
      return db.write(async (tx) => {
        const current = await held(tx, who.tenant, ref);
        const newIssuer = typeof issuer === "string" ? await holdIssuer(tx, who.tenant, issuer) : issuer;
        const next: App = {
          ...current,
          title: title === undefined ? current.title : (title ?? undefined),
          redirectUris: redirectUris ?? current.redirectUris,
          issuerId: newIssuer === undefined ? current.issuerId : (newIssuer ?? undefined),
          scopes: scopes === undefined ? current.scopes : scopes === null ? undefined : scopesIn(scopes),
          updatedAt: clock(),
        };
        const isAnew = next.title !== current.title || JSON.stringify(next.redirectUris) !== JSON.stringify(current.redirectUris);
        const app: App = { ...next, version: current.version + (isAnew ? 1 : 0) };
        await appsTable.update(tx, who.tenant, app);
        const fields = Object.entries(change).flatMap(([field, value]) => (value === undefined ? [] : field));
        const details = { name: app.name, fields, ...(redirectUris && { redirectUris }) };
        await audit.record(tx, who, "client.updated", { target: app.id, details });
        await db.changes.announce(tx, who.tenant, "client", app.id);
        return app;
      });
    },

    /** It gets no tokens from now on, nobody is asked for it, and what people granted it is over for good. @throws Refusal client_unknown */
    suspend: (who: Principal, ref: string): Promise<App> => setStatus(who, ref, "suspended", "client.suspended"),

    /** @throws Refusal client_unknown */
    resume: (who: Principal, ref: string): Promise<App> => setStatus(who, ref, "active", "client.resumed"),

    /** Its id is never given again. @throws Refusal client_unknown */
    remove: (who: Principal, ref: string): Promise<void> =>
      db.write(async (tx) => {
        const { id, name } = await held(tx, who.tenant, ref);
        await appsTable.remove(tx, who.tenant, id);
        await audit.record(tx, who, "client.deleted", { target: id, details: { name } });
        await onRemoved(tx, who, id);
        await db.changes.announce(tx, who.tenant, "client", id);
      }),

    /** Whether an app has its users log in at this issuer. */
    anyNamingIssuer: (handle: Handle, tenant: string, id: string): Promise<boolean> => appsTable.anyNaming(handle, tenant, id),

    /** How many apps name this issuer, and at most `most` of them. */
    ofIssuer: (tenant: string, id: string, most: number) => appsTable.ofIssuer(db.read, tenant, id, most),

    /** Entries of who may ask for a resource, with ids for names. @throws Refusal client_unknown */
    entriesToIds: async (handle: Handle, tenant: string, entries: readonly string[]): Promise<readonly string[]> => {
      const isRef = (entry: string) => entry !== "*" && entry !== registered && kindOfClientId(entry) !== "document";
      const refs = entries.filter(isRef);
      const known = refs.length > 0 ? await appsTable.named(handle, tenant, refs) : [];
      const idOf = new Map(known.flatMap(({ id, name }) => [[id, id] as const, [name, id] as const]));
      return [
        ...new Set(
          entries.map((entry) => {
            const id = isRef(entry) ? idOf.get(entry) : entry;
            if (id === undefined) throw unknown(entry);
            return id;
          }),
        ),
      ];
    },

    /** The same with names for ids. */
    entriesToNames: async (handle: Handle, tenant: string, entries: readonly string[]): Promise<readonly string[]> => {
      const ids = entries.filter(isApp);
      if (ids.length === 0) return entries;
      const nameOf = new Map((await appsTable.named(handle, tenant, ids)).map(({ id, name }) => [id, name]));
      return entries.flatMap((entry) => (isApp(entry) ? (nameOf.get(entry) ?? []) : entry));
    },
  };
};
