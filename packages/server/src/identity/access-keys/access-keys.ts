import type { Audit } from "../../ground/audit/index.ts";
import { counters, type Db, type Handle } from "../../ground/db/index.ts";
import { type Clock, type Page, type PageAsk, readPage, type Principal, type Random, Refusal } from "../../ground/kernel/index.ts";
import type { Replay } from "../../ground/replay/index.ts";
import type { Seal } from "../../ground/seal/index.ts";
import type { Agent, Agents } from "../agents/index.ts";
import type { Operators } from "../operators/index.ts";
import {
  type AccessKey,
  isTemporaryKeyId,
  type KeySession,
  newAccessKeyId,
  newSecret,
  newSecurityToken,
  newTemporaryKeyId,
  type TemporaryKey,
  tokenHash,
} from "./access-key.ts";
import { accessKeysTable, type Owner } from "./access-keys-table.ts";
import { makePruning } from "./pruning.ts";
import { secretIdentity } from "./sealed-columns.ts";
import { makeSignatures } from "./signatures.ts";
import { temporaryKeysOf, uncount } from "./temporary-count.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly seal: Seal;
  readonly replay: Pick<Replay, "useNow">;
  readonly clock: Clock;
  readonly random: Random;
  readonly operators: Pick<Operators, "hold">;
  readonly agents: Pick<Agents, "byId" | "hold">;
}

/** What a lasting key is made with. */
export interface NewAccessKey {
  readonly description?: string | undefined;
  /** `admin`: whatever the admin who makes it may do; or an agent, by name or id. Left out, `admin` for an admin. */
  readonly rights?: "admin" | { readonly agent: string } | undefined;
}

/** What a temporary key is given for. Whoever asks has made sure that the agent and the user may act, and that the agent may take on the role. */
export interface TemporaryAsk {
  readonly agent: Pick<Agent, "id" | "epoch" | "roleEpoch">;
  readonly user?: { readonly id: string; readonly epoch: number } | undefined;
  readonly tenantEpoch: number;
  readonly roleArn: string;
  /** The role's id; left out where no row has the role. */
  readonly roleId?: string | undefined;
  readonly sessionName: string;
  /** A JSON policy document that narrows what the role permits. */
  readonly sessionPolicy?: string | undefined;
  readonly seconds: number;
}

export type AccessKeys = ReturnType<typeof makeAccessKeys>;

/** Enough that keys overlap while they rotate, and that scripts have one each. */
export const mostLasting = 10;
/** Of one agent, for all its users: none is taken from anybody before its end, so there are no more until some have ended. */
export const mostTemporary = 100_000;

/**
 * Temporary keys that are erased with whom they were for. All of them are dead in that moment by their epochs; what is left is erased in steps once it
 * ends, and others need not wait for one long transaction.
 */
export const erasedAtOnce = 1_000;

const unknown = (id: string): Refusal => new Refusal("key_unknown", `There is no access key ${id}.`, { id });

export const makeAccessKeys = ({ db, audit, seal, replay, clock, random, operators, agents }: Needs) => {
  /** Whose the key will be; nobody takes that one away, or makes another key for it, until the transaction ends. */
  const ownerOf = async (tx: Handle, { tenant, caller }: Principal, rights: NewAccessKey["rights"]): Promise<Owner> => {
    if (caller.kind !== "operator" || caller.role === "auditor") throw new Refusal("forbidden", "Operators make access keys.");
    if (typeof rights === "object") {
      const named = await agents.byId(tx, tenant, rights.agent);
      const agent = named && (await agents.hold(tx, tenant, named.id));
      if (!agent) throw new Refusal("agent_unknown", `There is no agent ${rights.agent}.`);
      if (agent.status === "revoked") throw new Refusal("agent_revoked", "The agent is revoked, which is final.");
      return { kind: "agent", id: agent.id };
    }
    if (rights === undefined && caller.role !== "admin") {
      throw new Refusal("invalid_request", "Say which agent the key is for.", {
        issues: [{ path: "rights", message: "required with an operator's key: { agent }" }],
      });
    }
    const noAdmin = () => new Refusal("forbidden", "Only an admin makes a key with an admin's rights. Name an agent.");
    if (caller.role !== "admin") throw noAdmin();
    // Who was an admin when the request came in may be none any more.
    if ((await operators.hold(tx, tenant, caller.id)).role !== "admin") throw noAdmin();
    return { kind: "operator", id: caller.id };
  };

  const removeTemporary = async (tx: Handle, who: Principal, id: string): Promise<void> => {
    const agent = await accessKeysTable.removeTemporary(tx, who.tenant, id);
    if (agent === undefined) throw unknown(id);
    await audit.record(tx, who, "access_key.deleted", { target: id, agent });
    await uncount(tx, [{ tenant: who.tenant, agent }]);
    await db.changes.announce(tx, who.tenant, "access_key", id);
  };

  return {
    ...makeSignatures({ db, audit, seal, replay, clock }),

    /**
     * Makes a lasting key.
     * @returns with its secret, which nobody can read again
     * @throws Refusal invalid_request where an operator who is no admin names no agent; forbidden; agent_unknown, agent_revoked, operator_unknown,
     * too_many_keys
     */
    create: (who: Principal, { description, rights }: NewAccessKey): Promise<{ accessKeyId: string; accessKeySecret: string }> =>
      db.write(async (tx) => {
        const owner = await ownerOf(tx, who, rights);
        if ((await accessKeysTable.countLasting(tx, who.tenant, owner)) >= mostLasting) {
          throw new Refusal("too_many_keys", `There are ${mostLasting} access keys of this one already. Delete one first.`, {
            limit: mostLasting,
          });
        }
        const [id, secret] = [newAccessKeyId(random), newSecret(random)];
        const sealed = await seal.seal(tx, who.tenant, secretIdentity(id), secret);
        await accessKeysTable.insertLasting(tx, who.tenant, { id, sealed, createdAt: clock() }, owner, description);
        await audit.record(tx, who, "access_key.created", {
          target: id,
          ...(owner.kind === "agent" && { agent: owner.id }),
          details: { rights: owner.kind === "operator" ? "admin" : "agent" },
        });
        return { accessKeyId: id, accessKeySecret: secret };
      }),

    /** The lasting ones, newest first. @throws Refusal agent_unknown; invalid_request for an unknown cursor */
    list: async (tenant: string, ask: PageAsk & { readonly agent?: string | undefined }): Promise<Page<AccessKey>> => {
      const agent = ask.agent === undefined ? undefined : await agents.byId(db.read, tenant, ask.agent);
      if (ask.agent !== undefined && !agent) throw new Refusal("agent_unknown", `There is no agent ${ask.agent}.`);
      return readPage(
        [tenant, "access_keys"],
        ask,
        (place, most) => accessKeysTable.list(db.read, tenant, agent?.id, place, most),
        ({ createdAt, id }) => ({ at: createdAt, id }),
      );
    },

    /** A lasting one. @throws Refusal key_unknown */
    get: async (tenant: string, id: string): Promise<AccessKey> => {
      const key = await accessKeysTable.get(db.read, tenant, id);
      if (!key) throw unknown(id);
      return key;
    },

    /** A lasting one, or a temporary one: it dies at once. @throws Refusal key_unknown; forbidden for an admin's key and somebody who is none */
    remove: (who: Principal, id: string): Promise<void> =>
      db.write(async (tx) => {
        if (isTemporaryKeyId(id)) return removeTemporary(tx, who, id);
        const key = await accessKeysTable.get(tx, who.tenant, id);
        if (!key) throw unknown(id);
        if (key.operator !== undefined && !(who.caller.kind === "operator" && who.caller.role === "admin"))
          throw new Refusal("forbidden", "Only an admin deletes an admin's access key.");
        await accessKeysTable.remove(tx, who.tenant, id);
        await audit.record(tx, who, "access_key.deleted", { target: id, ...(key.agent && { agent: key.agent.id }) });
        await db.changes.announce(tx, who.tenant, "access_key", id);
      }),

    /**
     * Gives an agent a key for a while, in a role: the record tells of both in one row. It carries the epochs given, and dies with whatever of them
     * moves on.
     * @throws Refusal forbidden to whoever asks with such a key itself; too_many
     */
    issueTemporary: async (who: Principal, ask: TemporaryAsk): Promise<TemporaryKey> => {
      if (who.method === "temporary_key") throw new Refusal("forbidden", "A temporary key gets no other keys.");
      const { tenant } = who;
      const now = clock();
      const session: KeySession = {
        user: ask.user && { id: ask.user.id, epoch: ask.user.epoch },
        agentEpoch: ask.agent.epoch,
        roleEpoch: ask.agent.roleEpoch,
        tenantEpoch: ask.tenantEpoch,
        roleArn: ask.roleArn,
        roleId: ask.roleId,
        name: ask.sessionName,
        policy: ask.sessionPolicy,
        expiresAt: now + ask.seconds * 1000,
      };
      return db.write(async (tx) => {
        const [id, secret, securityToken] = [newTemporaryKeyId(random), newSecret(random), newSecurityToken(random)];
        const sealed = await seal.seal(tx, tenant, secretIdentity(id), secret);
        await accessKeysTable.insertTemporary(
          tx,
          tenant,
          { id, sealed, createdAt: now },
          ask.agent.id,
          session,
          tokenHash(secret, securityToken),
        );
        await audit.record(tx, who, "role.assumed", {
          target: id,
          agent: ask.agent.id,
          user: ask.user?.id,
          details: {
            role: ask.roleArn,
            roleId: ask.roleId,
            session: ask.sessionName,
            expiresAt: session.expiresAt,
            narrowed: ask.sessionPolicy !== undefined,
          },
        });
        // Last: whoever else gives this agent a key waits for the count.
        if ((await counters.add(tx, tenant, temporaryKeysOf(ask.agent.id), 1)) > mostTemporary) {
          throw new Refusal("too_many", `An agent has at most ${mostTemporary} temporary keys at a time. Use each until it ends.`, {
            limit: mostTemporary,
          });
        }
        return { accessKeyId: id, accessKeySecret: secret, securityToken, expiresAt: session.expiresAt };
      });
    },

    // Whoever hears that somebody changed forgets the keys of that one.

    /** Erases the keys of an agent that is revoked or deleted; of temporary ones beyond {@link erasedAtOnce} each when it would have ended. */
    agentRemoved: async (tx: Handle, { tenant }: Principal, agentId: string): Promise<void> => {
      await accessKeysTable.removeLastingOf(tx, tenant, { kind: "agent", id: agentId });
      await uncount(tx, await accessKeysTable.removeTemporaryOf(tx, tenant, agentId, erasedAtOnce));
    },

    /** Erases the keys of an operator who is deleted, is no admin any more, or has another key. */
    operatorRemoved: (tx: Handle, who: Principal, operatorId: string): Promise<void> =>
      accessKeysTable.removeLastingOf(tx, who.tenant, { kind: "operator", id: operatorId }),

    /** Erases the temporary keys for a user who is revoked; those beyond {@link erasedAtOnce} each when it would have ended. */
    userRevoked: async (tx: Handle, who: Principal, userId: string): Promise<void> =>
      uncount(tx, await accessKeysTable.removeOfUser(tx, who.tenant, userId, erasedAtOnce)),

    /** How many lasting keys an agent has, and at most `most` of them. */
    someOf: (tenant: string, agentId: string, most: number) => accessKeysTable.someLasting(db.read, tenant, agentId, most),

    /** How many temporary keys an agent has, or are for a user, and at most `most` of them. */
    someTemporary: (tenant: string, of: { readonly kind: "agent" | "user"; readonly id: string }, most: number) =>
      accessKeysTable.someTemporary(db.read, tenant, of, clock(), most),

    /** Forgets temporary keys that have ended. */
    prune: makePruning({ db, clock }),
  };
};
