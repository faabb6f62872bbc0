import { hash as hashOnce } from "node:crypto";
import type { AuditEvent } from "./audit-event.ts";

/** An event's place in its block: milliseconds, id, and the hash of its line. */
export type Sealed = readonly [at: number, id: string, hash: string];

/** A link of a tenant's chain. */
export interface Block {
  /** 1, 2, 3 ... without a gap. */
  readonly number: number;
  readonly hash: string;
  readonly count: number;
  /** Milliseconds, of the first and the last of its events. */
  readonly firstAt: number;
  readonly lastAt: number;
  readonly sealedAt: number;
  /** In the order of the chain; undefined where retention has cut them. */
  readonly events: readonly Sealed[] | undefined;
  /** The hash over the hashes of its events. */
  readonly root: string;
}

/** What stands before the first block. */
export const beforeAll = "0".repeat(64);
/** Stands for an event of which there was no row when it was to be sealed. */
export const noRow = "0".repeat(64);

export const sha256 = (text: string): string => hashOnce("sha256", text, "hex");

/** JSON as RFC 8785 has it: names sorted, no blanks. What holds no undefined and nothing but JSON's own types has one form only. */
export const canonical = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`);
  return `{${fields.join(",")}}`;
};

/** What no date can hold, and only somebody past Legate can have written, is shown as the number it is. */
export const moment = (milliseconds: number): string => {
  const date = new Date(milliseconds);
  return Number.isNaN(date.getTime()) ? String(milliseconds) : date.toISOString();
};

const field = (name: string, value: string | undefined): string => (value === undefined ? "" : `"${name}":${JSON.stringify(value)},`);

/**
 * The line by which an event is exported, and over which it is hashed: its fields in {@link canonical} form. One is made for each event that is
 * written, so the fields that every event has are written down in their order instead of being sorted.
 */
export const eventLine = (tenant: string, event: AuditEvent): string =>
  `{${field("action", event.action)}${field("address", event.address)}${field("agent", event.agent)}${field("at", moment(event.at))}"caller":{${field("id", event.callerId)}"kind":${JSON.stringify(event.callerKind)}},"details":${canonical(event.details)},${field("id", event.id)}${field("outcome", event.outcome)}${field("requestId", event.requestId)}${field("target", event.target)}${field("tenant", tenant)}"type":"event",${field("user", event.user)}"version":1}`;

/** The line of an event that no block holds yet: only the signature over the whole export covers it. */
export const unsealedLine = (tenant: string, event: AuditEvent): string => `{"event":${eventLine(tenant, event)},"type":"unsealed"}`;

/** The hash over the hashes of a block's events. */
export const rootOf = (events: readonly Sealed[]): string => sha256(events.map(([, , hash]) => `${hash}\n`).join(""));

/** The hash of a block: over all that it says, and the hash of the block before. */
export const blockHash = (tenant: string, previous: string, block: Omit<Block, "hash" | "events">): string =>
  sha256(
    [
      "legate-audit-block/1",
      tenant,
      block.number,
      previous,
      moment(block.sealedAt),
      block.count,
      moment(block.firstAt),
      moment(block.lastAt),
      block.root,
      "",
    ].join("\n"),
  );

/** The line by which a block is exported; its events' lines follow. */
export const blockLine = (
  tenant: string,
  previous: string,
  { number, hash, count, firstAt, lastAt, sealedAt, root, events }: Block,
): string =>
  canonical({
    type: "block",
    version: 1,
    tenant,
    number,
    previous,
    sealedAt: moment(sealedAt),
    count,
    firstAt: moment(firstAt),
    lastAt: moment(lastAt),
    root,
    hash,
    events: events?.map(([, id, eventHash]) => [id, eventHash]),
  });
