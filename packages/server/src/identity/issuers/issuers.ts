import type { Audit } from "../../ground/audit/index.ts";
import { counters, type Db, type Handle, isUniqueViolation } from "../../ground/db/index.ts";
import type { Egress } from "../../ground/egress/index.ts";
import {
  type Clock,
  type Page,
  type PageAsk,
  type Place,
  type Principal,
  readPage,
  type Random,
  Refusal,
} from "../../ground/kernel/index.ts";
import type { Seal } from "../../ground/seal/index.ts";
import { type DiscoveryDocument, discover } from "./discovery.ts";
import {
  invalid,
  type Issuer,
  type IssuerChange,
  type IssuerLogin,
  keepsSecret,
  loginFrom,
  type NewIssuer,
  newIssuerId,
} from "./issuer.ts";
import { issuersTable, type StoredIssuer } from "./issuers-table.ts";
import { makeKeySets } from "./key-sets.ts";
import { loginSecretIdentity } from "./sealed-columns.ts";
import { type Expected, keyHintOf, subjectOf, type VerifiedUserToken, verifyWith } from "./user-token.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly seal: Seal;
  readonly egress: Egress;
  readonly clock: Clock;
  readonly random: Random;
  /** The issuer URL of a tenant, without a final slash. */
  readonly issuerOf: (tenant: string) => string;
  /** The claim that named the users who stand under this `iss`, where there are any. */
  readonly usersNamedBy: (tx: Handle, tenant: string, iss: string) => Promise<string | undefined>;
  /** Whether an agent trusts this issuer. */
  readonly agentsNaming: (tx: Handle, tenant: string, issuerId: string) => Promise<boolean>;
}

/** What a login needs to act as Legate's client at an issuer. */
export interface LoginClient extends IssuerLogin {
  readonly issuerId: string;
  /** The issuer's metadata; its `authorization_endpoint` and `token_endpoint` are there. */
  readonly metadata: DiscoveryDocument & { readonly authorization_endpoint: string; readonly token_endpoint: string };
  readonly clientSecret: string | undefined;
  readonly redirectUri: string;
  /** The claim that names its users. */
  readonly subjectClaim: string;
  /** The user an ID token's claims name, by this issuer's subject claim. @throws Refusal user_token_invalid */
  readonly subjectOf: (claims: Readonly<Record<string, unknown>>) => string;
}

export type Issuers = ReturnType<typeof makeIssuers>;

const changeable = ["discoveryUrl", "audiences", "subjectClaim", "login", "description"] as const;

export const makeIssuers = ({ db, audit, seal, egress, clock, random, issuerOf, usersNamedBy, agentsNaming }: Needs) => {
  const keySets = makeKeySets({ egress, clock });
  const loginCallbackUrlOf = (tenant: string) => `${issuerOf(tenant)}/login/callback`;

  const shown = (tenant: string, stored: StoredIssuer): Issuer => {
    const { sealedLoginSecret: _, ...issuer } = stored;
    return { ...issuer, loginCallbackUrl: loginCallbackUrlOf(tenant) };
  };

  const unknown = (named: string) => new Refusal("issuer_unknown", "There is no such trusted issuer.", { name: named });

  const find = async (handle: Handle, tenant: string, nameOrId: string): Promise<StoredIssuer> => {
    const found = (await issuersTable.byId(handle, tenant, nameOrId)) ?? (await issuersTable.byName(handle, tenant, nameOrId));
    if (!found) throw unknown(nameOrId);
    return found;
  };

  const existing = async (tenant: string, id: string): Promise<StoredIssuer> => {
    const found = await issuersTable.byId(db.read, tenant, id);
    if (!found) throw unknown(id);
    return found;
  };

  /** Users outlive their issuer's entry. By another claim their subjects would mean other people. @throws Refusal issuer_in_use */
  const keepMeaning = async (tx: Handle, tenant: string, iss: string, subjectClaim: string): Promise<void> => {
    const named = await usersNamedBy(tx, tenant, iss);
    if (named === undefined || named === subjectClaim) return;
    throw new Refusal("issuer_in_use", `Users of this issuer exist, named by the claim ${named}, so its subject claim cannot be another.`, {
      by: "users",
      subjectClaim: named,
    });
  };

  /** @throws Refusal invalid_request where its parts do not fit together, or it would go to another issuer than it was made for */
  const loginAfter = async (
    tx: Handle,
    tenant: string,
    before: StoredIssuer,
    { login: wanted }: IssuerChange,
    issuer: string,
  ): Promise<Pick<StoredIssuer, "login" | "sealedLoginSecret">> => {
    if (wanted === null) return { login: undefined, sealedLoginSecret: undefined };
    const moves = issuer !== before.issuer;
    if (wanted === undefined) {
      if (moves && before.login) throw invalid("login", "Another issuer needs a login client of its own: give one, or null.");
      return before;
    }
    const stored = !moves && wanted.clientId === before.login?.clientId ? before.sealedLoginSecret : undefined;
    const login = loginFrom(wanted, stored !== undefined);
    const secret = wanted.clientSecret;
    if (secret !== undefined) return { login, sealedLoginSecret: await seal.seal(tx, tenant, loginSecretIdentity(before.id), secret) };
    return { login, sealedLoginSecret: keepsSecret(login.clientAuth) ? stored : undefined };
  };

  const issuerTaken = (issuer: string) => new Refusal("issuer_exists", `The issuer ${issuer} is trusted already.`, { issuer });
  const nameTaken = (name: string) => new Refusal("issuer_exists", `There is already an issuer named ${name}.`, { name });

  return {
    /**
     * Trusts an issuer whose metadata can be read now.
     *
     * @throws Refusal issuer_exists, issuer_unavailable; issuer_in_use where users of it exist that another claim named; invalid_request for a URL that may not be reached or speaks for another issuer
     */
    create: async (who: Principal, wanted: NewIssuer): Promise<Issuer> => {
      const login = wanted.login && loginFrom(wanted.login, false);
      if (await issuersTable.byName(db.read, who.tenant, wanted.name)) throw nameTaken(wanted.name);
      const { url, document } = await discover(egress, wanted.discoveryUrl);
      const id = newIssuerId(random);
      const now = clock();
      const created = await db.write(async (tx) => {
        const secret = wanted.login?.clientSecret;
        const issuer: StoredIssuer = {
          id,
          name: wanted.name,
          issuer: document.issuer,
          discoveryUrl: url,
          audiences: wanted.audiences,
          subjectClaim: wanted.subjectClaim ?? "sub",
          login,
          description: wanted.description || undefined,
          sealedLoginSecret: secret === undefined ? undefined : await seal.seal(tx, who.tenant, loginSecretIdentity(id), secret),
          createdAt: now,
          updatedAt: now,
        };
        if (!(await issuersTable.insert(tx, who.tenant, issuer))) {
          if (await issuersTable.byName(tx, who.tenant, issuer.name)) throw nameTaken(issuer.name);
          throw issuerTaken(issuer.issuer);
        }
        const { name, issuer: iss, audiences, subjectClaim } = issuer;
        await keepMeaning(tx, who.tenant, iss, subjectClaim);
        await audit.record(tx, who, "issuer.created", { target: id, details: { name, issuer: iss, audiences, subjectClaim } });
        await counters.add(tx, who.tenant, "issuers", 1);
        return issuer;
      });
      keySets.learn(created, document);
      return shown(who.tenant, created);
    },

    /** Newest first. @throws Refusal invalid_request for an unknown cursor */
    list: async (tenant: string, ask: PageAsk): Promise<Page<Issuer>> => {
      const read = (place: Place | undefined, most: number) => issuersTable.list(db.read, tenant, place, most);
      const { items, ...more } = await readPage([tenant, "issuers"], ask, read, ({ createdAt, id }) => ({ at: createdAt, id }));
      return { items: items.map((row) => shown(tenant, row)), ...more };
    },

    /** How many a tenant has. */
    count: (tenant: string): Promise<number> => counters.read(db.read, tenant, "issuers"),

    /** @throws Refusal issuer_unknown */
    get: async (tenant: string, nameOrId: string): Promise<Issuer> => shown(tenant, await find(db.read, tenant, nameOrId)),

    byId: async (handle: Handle, tenant: string, id: string): Promise<Issuer | undefined> => {
      const found = await issuersTable.byId(handle, tenant, id);
      return found && shown(tenant, found);
    },

    /** The id of an issuer, for who comes to name it: nobody changes or removes it until the transaction ends. @throws Refusal issuer_unknown */
    hold: async (tx: Handle, tenant: string, nameOrId: string): Promise<string> => {
      const id = (await issuersTable.hold(tx, tenant, "id", nameOrId)) ?? (await issuersTable.hold(tx, tenant, "name", nameOrId));
      if (id === undefined) throw unknown(nameOrId);
      return id;
    },

    /** Those at which people can log in, by name, and at most `most` of them. */
    withLogin: async (tenant: string, most: number): Promise<readonly Issuer[]> =>
      (await issuersTable.withLogin(db.read, tenant, most)).map((stored) => shown(tenant, stored)),

    /** The issuer whose tokens carry this `iss`, if it is trusted. */
    findByIss: async (tenant: string, iss: string): Promise<Issuer | undefined> => {
      const found = await issuersTable.byIss(db.read, tenant, iss);
      return found && shown(tenant, found);
    },

    /**
     * Where another address speaks for another issuer, agents that trust this entry trust that one from now on. Users of the former stay who they are.
     *
     * @throws Refusal issuer_unknown; issuer_exists, issuer_unavailable for another address; issuer_in_use for another subject claim once users exist,
     * for their ids would change their meaning; invalid_request for an address that may not be reached, or where a login client would go to another
     * issuer
     */
    update: async (who: Principal, nameOrId: string, change: IssuerChange): Promise<Issuer> => {
      const { tenant } = who;
      const { id } = await find(db.read, tenant, nameOrId);
      const found = change.discoveryUrl === undefined ? undefined : await discover(egress, change.discoveryUrl);
      try {
        const updated = await db.write(async (tx) => {
          const before = await issuersTable.lock(tx, tenant, id);
          if (!before) throw unknown(nameOrId);
          const issuer = found?.document.issuer ?? before.issuer;
          const subjectClaim = change.subjectClaim ?? before.subjectClaim;
          if (subjectClaim !== before.subjectClaim || issuer !== before.issuer) await keepMeaning(tx, tenant, issuer, subjectClaim);
          const { login, sealedLoginSecret } = await loginAfter(tx, tenant, before, change, issuer);
          const after: StoredIssuer = {
            ...before,
            issuer,
            discoveryUrl: found?.url ?? before.discoveryUrl,
            audiences: change.audiences ?? before.audiences,
            subjectClaim,
            login,
            sealedLoginSecret,
            description: change.description === undefined ? before.description : change.description || undefined,
            updatedAt: clock(),
          };
          await issuersTable.update(tx, tenant, after);
          const changed = changeable.filter((field) => change[field] !== undefined);
          await audit.record(tx, who, "issuer.updated", {
            target: id,
            details: { name: before.name, changed, issuer, audiences: after.audiences, subjectClaim },
          });
          await db.changes.announce(tx, tenant, "issuer", id);
          return after;
        });
        if (found) keySets.learn(updated, found.document);
        return shown(tenant, updated);
      } catch (error) {
        if (found && isUniqueViolation(error)) throw issuerTaken(found.document.issuer);
        throw error;
      }
    },

    /** @throws Refusal issuer_unknown, issuer_in_use while an agent trusts it */
    remove: async (who: Principal, nameOrId: string): Promise<void> => {
      const id = await db.write(async (tx) => {
        const issuer = await find(tx, who.tenant, nameOrId);
        // Deleted first, so that whoever names the issuer at this moment waits for our answer.
        if (!(await issuersTable.delete(tx, who.tenant, issuer.id))) throw unknown(nameOrId);
        if (await agentsNaming(tx, who.tenant, issuer.id)) {
          throw new Refusal("issuer_in_use", "Agents trust this issuer.", { by: "agents" });
        }
        await audit.record(tx, who, "issuer.deleted", { target: issuer.id, details: { name: issuer.name, issuer: issuer.issuer } });
        await counters.add(tx, who.tenant, "issuers", -1);
        await db.changes.announce(tx, who.tenant, "issuer", issuer.id);
        return issuer.id;
      });
      keySets.forget(id);
    },

    /**
     * Verifies a user's token by the issuer's own keys (RFC 8725).
     *
     * @param instead `audiences`: one of them must be the token's, instead of the issuer's usual ones
     * @throws Refusal user_token_invalid with `details.reason`, issuer_unknown, issuer_unavailable
     */
    verify: async (
      tenant: string,
      issuerId: string,
      token: string,
      instead: Partial<Pick<Expected, "audiences">> = {},
    ): Promise<VerifiedUserToken> => {
      const issuer = await existing(tenant, issuerId);
      const hint = keyHintOf(token);
      const keys = await keySets.keysFor(issuer, hint);
      return { issuerId: issuer.id, ...(await verifyWith(token, keys, { ...issuer, ...instead, now: clock() })) };
    },

    /**
     * Legate's client at the issuer; undefined where the issuer has no `login`.
     *
     * @throws Refusal issuer_unknown, issuer_unavailable
     */
    loginClient: async (tenant: string, issuerId: string): Promise<LoginClient | undefined> => {
      const issuer = await existing(tenant, issuerId);
      if (!issuer.login) return undefined;
      const metadata = await keySets.metadataOf(issuer);
      const { authorization_endpoint, token_endpoint } = metadata;
      if (authorization_endpoint === undefined || token_endpoint === undefined) {
        throw new Refusal("issuer_unavailable", "The issuer's metadata names no endpoints to log in at.", { reason: "metadata" });
      }
      const sealed = issuer.sealedLoginSecret;
      return {
        ...issuer.login,
        issuerId: issuer.id,
        metadata: { ...metadata, authorization_endpoint, token_endpoint },
        clientSecret: sealed === undefined ? undefined : await seal.open(tenant, loginSecretIdentity(issuer.id), sealed),
        redirectUri: loginCallbackUrlOf(tenant),
        subjectClaim: issuer.subjectClaim,
        subjectOf: (claims) => subjectOf(claims, issuer.subjectClaim),
      };
    },
  };
};
