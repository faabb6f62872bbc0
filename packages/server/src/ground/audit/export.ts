import { createHash } from "node:crypto";
import type { Db } from "../db/index.ts";
import type { Clock } from "../kernel/index.ts";
import { beforeAll, type Block, blockLine, canonical, eventLine, moment, unsealedLine } from "./block.ts";
import { blocksTable, type Unsealed } from "./blocks-table.ts";
import type { Checkpoints, Signer } from "./checkpoints.ts";
import { type Checkpoint, checkpointsTable } from "./checkpoints-table.ts";
import type { Sealer } from "./sealer.ts";

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  readonly signer: Signer;
  readonly sealer: Sealer;
  readonly checkpoints: Checkpoints;
}

/** Which part of the chain; milliseconds. Whole blocks are exported. */
export interface ExportAsk {
  /** From the first block that holds an event of this moment or later. */
  readonly from?: number | undefined;
  /** Up to the last block that holds an event from before this moment. */
  readonly to?: number | undefined;
}

/** How many blocks, and how many unsealed events, are read at once: this much is in memory. Sealing leaves fewer unsealed than that. */
const blocksAtOnce = 4;
const unsealedAtOnce = 1_000;
/** How often blocks are looked for that were made meanwhile. */
const rounds = 10;

const turn = (): Promise<unknown> => new Promise(setImmediate);

const checkpointLine = ({ token }: Pick<Checkpoint, "token">) => canonical({ type: "checkpoint", token });

/** Writes a tenant's chain as JSON lines that prove themselves; docs/guides/audit.md describes each. */
export const makeExport = ({ db, clock, signer, sealer, checkpoints }: Needs) => {
  /** Every key there ever was, as JSON Web Keys (RFC 7517). */
  const keysOf = async (tenant: string) =>
    (await signer.publicKeys(tenant)).map(({ id, publicJwk, revokedAt }) => ({
      ...publicJwk,
      kid: id,
      alg: "ES256",
      use: "sig",
      revokedAt: revokedAt === undefined ? undefined : moment(revokedAt),
    }));

  const headerLine = (tenant: string, { from, to }: ExportAsk, keys: object): string =>
    canonical({
      type: "header",
      version: 1,
      tenant,
      issuer: signer.issuerOf(tenant),
      exportedAt: moment(clock()),
      from: from === undefined ? undefined : moment(from),
      to: to === undefined ? undefined : moment(to),
      keys,
    });

  const eventLines = async (tenant: string, sealed: NonNullable<Block["events"]>): Promise<readonly string[]> => {
    const events = await blocksTable.events(db.read, tenant, sealed);
    return sealed.flatMap(([, id]) => {
      const event = events.get(id);
      return event ? [eventLine(tenant, event)] : [];
    });
  };

  /** A block with its events. Retention may have cut it since it was read: then it is read again. */
  const linesOf = async (tenant: string, previous: string, read: Block): Promise<readonly string[]> => {
    const events = read.events && (await eventLines(tenant, read.events));
    const block = events?.length === read.count || !events ? read : await blocksTable.block(db.read, tenant, read.number);
    if (!block?.events) return [blockLine(tenant, previous, block ?? read)];
    return [blockLine(tenant, previous, block), ...(events ?? [])];
  };

  return async function* (tenant: string, ask: ExportAsk): AsyncGenerator<string> {
    const hash = createHash("sha256");
    const told = { blocks: 0, unsealed: 0 };
    /** Some lines as one piece of text: a piece costs more than a line. */
    const piece = (lines: readonly string[]): string => {
      const text = lines.map((line) => `${line}\n`).join("");
      hash.update(text);
      return text;
    };

    // What happens from here on is not waited for.
    const to = Math.min(ask.to ?? Number.MAX_SAFE_INTEGER, clock() + 1);
    await sealer.seal(tenant);
    await checkpoints.take(tenant).catch(() => undefined);
    const keys = await keysOf(tenant);
    yield piece([headerLine(tenant, ask, keys)]);

    const first = ask.from === undefined ? 1 : await blocksTable.firstSince(db.read, tenant, ask.from);
    const cut = await checkpointsTable.last(db.read, tenant, Number.MAX_SAFE_INTEGER, true);
    if (cut && first !== undefined && cut.block >= first) yield piece([checkpointLine(cut)]);

    let next = first ?? ((await blocksTable.head(db.read, tenant))?.number ?? 0) + 1;
    let previous = next === 1 ? beforeAll : ((await blocksTable.hashOf(db.read, tenant, next - 1)) ?? beforeAll);
    let waiting: readonly Unsealed[] = [];
    for (let round = 0; round < rounds; round += 1) {
      // Looked at before the blocks: whoever seals at the same time then cannot take an event out of here into a block that is not seen.
      waiting = await blocksTable.unsealed(db.read, tenant, unsealedAtOnce, undefined, to);
      const last = (await blocksTable.lastBefore(db.read, tenant, to)) ?? 0;
      if (last < next && waiting.length < unsealedAtOnce) break;
      while (next <= last) {
        const blocks = await blocksTable.blocks(db.read, tenant, next, last, blocksAtOnce);
        const end = blocks.at(-1);
        if (!end) break;
        const signed = await checkpointsTable.between(db.read, tenant, next, end.number);
        for (const block of blocks) {
          const over = signed.filter((checkpoint) => checkpoint.block === block.number && checkpoint.token !== cut?.token);
          yield piece([...(await linesOf(tenant, previous, block)), ...over.map(checkpointLine)]);
          previous = block.hash;
          told.blocks += 1;
          await turn();
        }
        next = end.number + 1;
      }
      await sealer.seal(tenant);
    }
    // Words on blocks that the store no longer has: whoever took those away must not take these with them unnoticed.
    if (ask.to === undefined) {
      const beyond = await checkpointsTable.between(db.read, tenant, next, Number.MAX_SAFE_INTEGER);
      const head = (await blocksTable.head(db.read, tenant))?.number ?? 0;
      const orphans = beyond.filter(({ block }) => block > head);
      if (orphans.length > 0) yield piece(orphans.map(checkpointLine));
    }

    const unsealed = waiting.flatMap(({ event }) => (event && event.at >= (ask.from ?? 0) ? [unsealedLine(tenant, event)] : []));
    if (unsealed.length > 0) yield piece(unsealed);
    told.unsealed = unsealed.length;
    // The first of all signatures makes a key, and a key may have been changed for another meanwhile.
    await checkpoints.overExport(tenant, 0, beforeAll, {});
    const now = await keysOf(tenant);
    if (canonical(now) !== canonical(keys)) yield piece([canonical({ type: "keys", keys: now })]);
    const token = await checkpoints.overExport(tenant, next - 1, previous, { sha256: hash.digest("hex"), ...told });
    yield `${canonical({ type: "end", token })}\n`;
  };
};
