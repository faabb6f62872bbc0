import type { Audit } from "../../ground/audit/index.ts";
import type { Db, Handle } from "../../ground/db/index.ts";
import type { Egress } from "../../ground/egress/index.ts";
import { type Clock, type Page, type PageAsk, type Principal, pageFrom, placeOf, type Random, Refusal } from "../../ground/kernel/index.ts";
import type { Seal } from "../../ground/seal/index.ts";
import { type DiscoveryDocument, discover } from "./discovery.ts";
import { type Issuer, type IssuerChange, type IssuerLogin, keepsSecret, loginFrom, type NewIssuer, newIssuerId } from "./issuer.ts";
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
          description: wanted.description,
          foreign: wanted.foreign ?? {},
          sealedLoginSecret: secret === undefined ? undefined : await seal.seal(tx, who.tenant, loginSecretIdentity(id), secret),
          createdAt: now,
          updatedAt: now,
        };
        if (!(await issuersTable.insert(tx, who.tenant, issuer))) {
          if (await issuersTable.byName(tx, who.tenant, issuer.name)) throw nameTaken(issuer.name);
          throw new Refusal("issuer_exists", `The issuer ${issuer.issuer} is trusted already.`, { issuer: issuer.issuer });
        }
        const { name, issuer: iss, audiences, subjectClaim } = issuer;
        await keepMeaning(tx, who.tenant, iss, subjectClaim);
        await audit.record(tx, who, "issuer.created", { target: id, details: { name, issuer: iss, audiences, subjectClaim } });
        return issuer;
      });
      keySets.learn(id, document);
      return shown(who.tenant, created);
    },

    /** Newest first. @throws Refusal invalid_request for an unknown cursor */
    list: async (tenant: string, ask: PageAsk): Promise<Page<Issuer>> => {
      const rows = await issuersTable.list(db.read, tenant, placeOf(ask.cursor), ask.limit + 1);
      return pageFrom(
        rows.map((row) => shown(tenant, row)),
        ask.limit,
        ({ createdAt, id }) => ({ at: createdAt, id }),
      );
    },

    /** @throws Refusal issuer_unknown */
    get: async (tenant: string, nameOrId: string): Promise<Issuer> => shown(tenant, await find(db.read, tenant, nameOrId)),

    byId: async (handle: Handle, tenant: string, id: string): Promise<Issuer | undefined> => {
      const found = await issuersTable.byId(handle, tenant, id);
      return found && shown(tenant, found);
    },

    /** Those at which people can log in, by name, and at most `most` of them. */
    withLogin: async (tenant: string, most: number): Promise<readonly Issuer[]> =>
      (await issuersTable.withLogin(db.read, tenant, most)).map((stored) => shown(tenant, stored)),

    /** The issuer whose tokens carry this `iss`, if it is trusted. */
    findByIss: async (tenant: string, iss: string): Promise<Issuer | undefined> => {
      const found = await issuersTable.byIss(db.read, tenant, iss);
      return found && shown(tenant, found);
    },

    /** @throws Refusal issuer_unknown; issuer_in_use for another subject claim once users exist, for their ids would change their meaning */
    update: (who: Principal, nameOrId: string, change: IssuerChange): Promise<Issuer> =>
      db.write(async (tx) => {
        const before = await issuersTable.lock(tx, who.tenant, (await find(tx, who.tenant, nameOrId)).id);
        if (!before) throw unknown(nameOrId);
        const subjectClaim = change.subjectClaim ?? before.subjectClaim;
        if (subjectClaim !== before.subjectClaim) await keepMeaning(tx, who.tenant, before.issuer, subjectClaim);
        let { login, sealedLoginSecret } = before;
        if (change.login === null) {
          login = undefined;
          sealedLoginSecret = undefined;
        } else if (change.login !== undefined) {
          const stored = change.login.clientId === before.login?.clientId ? before.sealedLoginSecret : undefined;
          login = loginFrom(change.login, stored !== undefined);
          const secret = change.login.clientSecret;
          if (secret !== undefined) sealedLoginSecret = await seal.seal(tx, who.tenant, loginSecretIdentity(before.id), secret);
          else sealedLoginSecret = keepsSecret(login.clientAuth) ? stored : undefined;
        }
        const audiences = change.audiences ?? before.audiences;
        const after: StoredIssuer = { ...before, audiences, subjectClaim, login, sealedLoginSecret, updatedAt: clock() };
        await issuersTable.update(tx, who.tenant, after);
        const changed = (["audiences", "subjectClaim", "login"] as const).filter((field) => change[field] !== undefined);
        await audit.record(tx, who, "issuer.updated", {
          target: before.id,
          details: { name: before.name, changed, audiences, subjectClaim },
        });
        await db.changes.announce(tx, who.tenant, "issuer", before.id);
        return shown(who.tenant, after);
      }),

    /** @throws Refusal issuer_unknown, issuer_in_use while an agent trusts it */
    remove: async (who: Principal, nameOrId: string): Promise<void> => {
      const id = await db.write(async (tx) => {
        const issuer = await find(tx, who.tenant, nameOrId);
        // Deleted first, so that whoever names the issuer at this moment waits for our answer.
        await issuersTable.delete(tx, who.tenant, issuer.id);
        if (await agentsNaming(tx, who.tenant, issuer.id)) {
          throw new Refusal("issuer_in_use", "Agents trust this issuer.", { by: "agents" });
        }
        await audit.record(tx, who, "issuer.deleted", { target: issuer.id, details: { name: issuer.name, issuer: issuer.issuer } });
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
