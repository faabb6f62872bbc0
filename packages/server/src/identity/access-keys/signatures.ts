import { timingSafeEqual } from "node:crypto";
import type { Audit } from "../../ground/audit/index.ts";
import { type Db, makeCache, type Tag } from "../../ground/db/index.ts";
import { anonymous, type Clock, type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { Replay } from "../../ground/replay/index.ts";
import type { Seal } from "../../ground/seal/index.ts";
import { isKeyId, type KeyHolder, type KeySession, tokenHash } from "./access-key.ts";
import { accessKeysTable } from "./access-keys-table.ts";
import { holds, keyIdIn, readSignature, type SignedRequest } from "./acs3.ts";
import { secretIdentity } from "./sealed-columns.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly seal: Seal;
  readonly replay: Pick<Replay, "useNow">;
  readonly clock: Clock;
}

/** A request whose signature holds, and which does not count as used yet. */
export interface Signed {
  readonly holder: KeyHolder;
  readonly nonce: string;
  /** When the request is too old in any case, in milliseconds since 1970. */
  readonly until: number;
  /** When a lasting key was last written down as used. */
  readonly touched: { at: number } | undefined;
}

/** A key as it is remembered, with its secret opened. */
interface Known {
  readonly holder: KeyHolder;
  readonly secret: string;
  readonly tokenHash: string | undefined;
  /** When it ends, or its owner's own credential does. */
  readonly notAfter: number | undefined;
  /** Moves on without reading the row again. */
  readonly touched: { at: number } | undefined;
}

/** Keys that are remembered at most. */
const remembered = 20_000;
/** How stale `lastUsedAt` may be: a key in constant use is not written at every request. */
const touchEvery = 60_000;
/** How far a client's clock may be off, either way. */
const clockWindow = 15 * 60_000;

const unknown = (): Refusal => new Refusal("access_key_unknown", "There is no such access key, or it has expired or was deleted.");
const mismatch = (): Refusal =>
  new Refusal("signature_mismatch", "The signature is not the one that this access key makes over this request.", { reason: "signature" });
const wrongToken = (message: string): Refusal => new Refusal("security_token_invalid", message);

const isSame = (one: string, other: string): boolean =>
  one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));

type Row = NonNullable<Awaited<ReturnType<typeof accessKeysTable.byId>>>;

const ownerOf = (row: Row): KeyHolder["of"] | undefined => {
  // An admin's key is worth what the admin is: nothing once that one is gone, or no admin.
  if (row.operator_id !== null) return row.operator_role === "admin" ? { kind: "operator", id: row.operator_id } : undefined;
  if (row.agent_id === null) return undefined;
  if (row.expires_at === null) return { kind: "agent", id: row.agent_id };
  // A key of a role is over once the agent has another: also one that was being given while that changed.
  if (row.role_epoch !== row.agent_role_epoch) return undefined;
  const session: KeySession = {
    user: row.user_id === null ? undefined : { id: row.user_id, epoch: row.user_epoch ?? 0 },
    agentEpoch: row.agent_epoch ?? 0,
    roleEpoch: row.role_epoch ?? 0,
    tenantEpoch: row.tenant_epoch ?? 0,
    roleArn: row.role_arn ?? "",
    roleId: row.role_id ?? undefined,
    name: row.session_name ?? "",
    policy: row.session_policy ?? undefined,
    expiresAt: row.expires_at,
  };
  return { kind: "session", id: row.agent_id, session };
};

/** A temporary key comes with its own token, and no other key with any. */
const demandToken = ({ secret, tokenHash: hash }: Known, token: string | undefined): void => {
  if (hash === undefined && token === undefined) return;
  if (hash === undefined) throw wrongToken("A lasting access key has no security token: send none.");
  if (token === undefined) throw wrongToken("A temporary access key comes with its security token.");
  if (!isSame(tokenHash(secret, token), hash)) throw wrongToken("The security token is not this access key's.");
};

/** Which of what is refused is worth remembering, where there is such a key: somebody has its id, or a request of its owner's. */
const isAttempt = ({ code }: Refusal): boolean =>
  code === "signature_mismatch" || code === "security_token_invalid" || code === "nonce_used";

export const makeSignatures = ({ db, audit, seal, replay, clock }: Needs) => {
  const cached = makeCache<Known>(db.changes, remembered, ({ holder: { tenant, id, of } }): readonly Tag[] => [
    ["access_key", id],
    ["tenant", tenant],
    [of.kind === "operator" ? "operator" : "agent", of.id],
    ...(of.kind === "session" && of.session.user ? [["user", of.session.user.id] as const] : []),
  ]);

  const read = async (id: string): Promise<Known | undefined> => {
    const row = await accessKeysTable.byId(db.read, id);
    const of = row && row.tenant_status === "active" ? ownerOf(row) : undefined;
    if (!row || !of) return undefined;
    const tenant = row.tenant_id;
    return {
      holder: { tenant, id, of },
      secret: await seal.open(tenant, secretIdentity(id), row.sealed_secret),
      tokenHash: row.token_hash ?? undefined,
      notAfter: row.expires_at ?? row.operator_expires_at ?? undefined,
      touched: of.kind === "session" ? undefined : { at: row.last_used_at ?? 0 },
    };
  };

  const find = async (id: string): Promise<Known> => {
    const known = isKeyId(id) ? await cached(id, () => read(id)) : undefined;
    if (!known || (known.notAfter !== undefined && known.notAfter <= clock())) throw unknown();
    return known;
  };

  const remembering = async <T>(who: Principal, { id }: KeyHolder, check: () => T | Promise<T>): Promise<T> => {
    try {
      return await check();
    } catch (error) {
      if (error instanceof Refusal && isAttempt(error))
        await audit.refused(who, "request.refused", { target: id, details: { reason: error.code } });
      throw error;
    }
  };

  return {
    /** Whether a request names a key that is remembered: nothing is read for it, and its signature is not looked at. */
    isKnown: async (request: Pick<SignedRequest, "rawHeaders">): Promise<boolean> =>
      (await cached(keyIdIn(request), () => Promise.resolve(undefined))) !== undefined,

    /**
     * Whose key signed a request, if the signature holds. What the key's owner may do, and whether it may act now, is for others to say.
     * @param source Where the request came from.
     * @throws Refusal unauthenticated, access_key_unknown, signature_mismatch, request_time_skewed, security_token_invalid
     */
    signer: async (
      request: SignedRequest,
      source: { readonly requestId: string; readonly address?: string | undefined },
    ): Promise<Signed> => {
      const signature = readSignature(request);
      const { keyId, at, nonce, securityToken } = signature;
      if (Math.abs(clock() - at) > clockWindow)
        throw new Refusal("request_time_skewed", "The request's time is more than 15 minutes from the server's. Set the clock.");
      const known = await find(keyId);
      const { holder, secret, touched } = known;
      await remembering(anonymous(holder.tenant, source.requestId, source.address), holder, () => {
        if (!holds(signature, secret)) throw mismatch();
        demandToken(known, securityToken);
      });
      return { holder, nonce, until: at + clockWindow, touched };
    },

    /** Whether a key is still one: it was not deleted, has not ended, and its agent has no other role meanwhile. */
    isKey: (id: string): Promise<boolean> =>
      find(id).then(
        () => true,
        (error: unknown) => {
          if (error instanceof Refusal && error.code === "access_key_unknown") return false;
          throw error;
        },
      ),

    /**
     * Counts a signed request as used: none is used twice, on any replica.
     * @throws Refusal nonce_used; unavailable when the store cannot be written
     */
    use: (who: Principal, { holder, nonce, until, touched }: Signed): Promise<void> =>
      remembering(who, holder, async () => {
        const { tenant, id } = holder;
        const isFirst = await replay.useNow(tenant, `acs3/${id}`, nonce, until);
        if (!isFirst) throw new Refusal("nonce_used", "A request with this nonce was here before. Sign the next one with another.");
        const now = clock();
        if (touched === undefined || Math.abs(now - touched.at) < touchEvery) return;
        touched.at = now;
        // Not worth refusing anybody for, whose nonce is spent: where the store cannot be written, whatever writes says so itself.
        await db.write((tx) => accessKeysTable.touch(tx, tenant, id, now, touchEvery)).catch(() => undefined);
      }),
  };
};
