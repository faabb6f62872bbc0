import type { Db } from "../db/index.ts";
import type { Clock } from "../kernel/index.ts";
import { blocksTable } from "./blocks-table.ts";
import { type Checkpoint, checkpointsTable } from "./checkpoints-table.ts";

/** The tenant's signing key, as far as the audit needs it. */
export interface Signer {
  /** A compact JWS over the claims, by the tenant's current key. */
  sign(tenant: string, typ: string, claims: object): Promise<string>;
  /** Every key there ever was: what verifies old signatures, and which of them not to believe. */
  publicKeys(
    tenant: string,
  ): Promise<readonly { readonly id: string; readonly publicJwk: object; readonly revokedAt: number | undefined }[]>;
  issuerOf(tenant: string): string;
}

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  readonly signer: Signer;
}

/** What says in a token's header that it is a checkpoint; no door takes it for anything else. */
export const checkpointTyp = "legate-audit-checkpoint+jwt";

/** The store does not hold the chain that was signed before. */
export class ChainAltered extends Error {}

export type Checkpoints = ReturnType<typeof makeCheckpoints>;

const eventsOf = ({ token }: Checkpoint): number => {
  try {
    const { events } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8")) as { events?: unknown };
    return Number.isSafeInteger(events) ? (events as number) : 0;
  } catch {
    // Somebody wrote over it. That must not keep anybody from exporting it, where it is found.
    return 0;
  }
};

/** Signs where each tenant's chain stands, so that whoever keeps such a word can tell whether the chain still is what it was. */
export const makeCheckpoints = ({ db, clock, signer }: Needs) => {
  /** What a checkpoint over a block claims: `events` is how many there are up to it, counted on from the checkpoint before. */
  const claimsOver = async (tenant: string, block: number, hash: string) => {
    const before = await checkpointsTable.last(db.read, tenant, block);
    const events = (before ? eventsOf(before) : 0) + (await blocksTable.countBetween(db.read, tenant, before?.block ?? 0, block));
    return { iss: signer.issuerOf(tenant), iat: Math.floor(clock() / 1000), block, hash, events };
  };

  const keep = async (tenant: string, block: number, hash: string, cut: boolean): Promise<void> => {
    const claims = { ...(await claimsOver(tenant, block, hash)), ...(cut && { cut }) };
    const token = await signer.sign(tenant, checkpointTyp, claims);
    await db.write((tx) => checkpointsTable.insert(tx, tenant, { block, hash, token, at: clock(), cut }));
  };

  return {
    /** Signs and keeps the head of a tenant's chain, unless nothing came since it last did. @throws ChainAltered */
    take: async (tenant: string): Promise<void> => {
      const head = await blocksTable.head(db.read, tenant);
      if (!head) return;
      const last = await checkpointsTable.last(db.read, tenant, Number.MAX_SAFE_INTEGER);
      // What stands in the store is not to be signed where it contradicts what was.
      if (last && (await blocksTable.hashOf(db.read, tenant, last.block)) !== last.hash)
        throw new ChainAltered(`Block ${last.block} of tenant ${tenant} is not what a checkpoint of it says. No new checkpoint is signed.`);
      if (last?.block !== head.number) await keep(tenant, head.number, head.hash, false);
    },

    /** Signs and keeps that retention cuts everything up to a block. */
    takeCut: (tenant: string, block: number, hash: string): Promise<void> => keep(tenant, block, hash, true),

    /** Signs where the chain stood at a block, and with it an export; it is not kept. */
    overExport: async (tenant: string, block: number, hash: string, of: object): Promise<string> =>
      signer.sign(tenant, checkpointTyp, { ...(await claimsOver(tenant, block, hash)), export: of }),
  };
};
