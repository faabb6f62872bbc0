import type { ColumnType, Generated } from "kysely";
import type { Fixed } from "./fixed.ts";

export interface DataKeyRow {
  tenant_id: Fixed<string>;
  id: Fixed<string>;
  /** Which key-encryption key wraps it. */
  kek_id: string;
  wrapped: string;
  created_at: Fixed<number>;
  /** Since when nothing stored needs it; null while something may. */
  unneeded_since: ColumnType<number | null, undefined, number | null>;
}

export interface PepperRow {
  id: Fixed<string>;
  kek_id: string;
  wrapped: string;
  created_at: Fixed<number>;
  /** Since when nothing stored needs it; null while something may. */
  unneeded_since: ColumnType<number | null, undefined, number | null>;
}

/** A master key that was at some time the one that wraps; the highest number is the one that does. */
export interface MasterKeyRow {
  /** Tells which key it is; says nothing about the key. */
  id: Fixed<string>;
  number: Fixed<number>;
}

export interface AuditEventRow {
  tenant_id: Fixed<string>;
  id: Fixed<string>;
  at: Fixed<number>;
  action: Fixed<string>;
  outcome: Fixed<"done" | "refused">;
  caller_kind: Fixed<string>;
  caller_id: Fixed<string | null>;
  agent_id: Fixed<string | null>;
  user_id: Fixed<string | null>;
  target: Fixed<string | null>;
  request_id: Fixed<string>;
  address: Fixed<string | null>;
  /** JSON object. */
  details: Fixed<string>;
}

/** An event that no block holds yet. */
export interface AuditUnsealedRow {
  tenant_id: Fixed<string>;
  at: Fixed<number>;
  id: Fixed<string>;
  /** Of its line; empty where it was written before there was a chain. */
  hash: Fixed<string>;
  agent_id: Fixed<string | null>;
  user_id: Fixed<string | null>;
}

/** A link of a tenant's audit chain: the events it holds, and a hash over them and over the block before. */
export interface AuditBlockRow {
  tenant_id: Fixed<string>;
  /** 1, 2, 3 ... without a gap. */
  number: Fixed<number>;
  hash: Fixed<string>;
  count: Fixed<number>;
  first_at: Fixed<number>;
  last_at: Fixed<number>;
  sealed_at: Fixed<number>;
  /** JSON array of [at, id, hash of the event], in the order of the chain; once retention has cut them, the hash over their hashes as a JSON string. */
  events: string;
}

/** Whom the events of a block name, for a stretch of time. */
export interface AuditBlockFilterRow {
  tenant_id: Fixed<string>;
  last_at: Fixed<number>;
  /** The block's. */
  number: Fixed<number>;
  first_at: Fixed<number>;
  /** A Bloom filter, base64url. */
  filter: Fixed<string>;
}

/** A signed word on where the chain stood. */
export interface AuditCheckpointRow {
  tenant_id: Fixed<string>;
  block: Fixed<number>;
  hash: Fixed<string>;
  /** Compact JWS. */
  token: Fixed<string>;
  at: Fixed<number>;
  /** 1 where retention cut everything up to this block. */
  cut: Fixed<0 | 1>;
}

export interface ChangeRow {
  id: Generated<number>;
  tenant_id: Fixed<string>;
  kind: Fixed<string>;
  target: Fixed<string>;
  at: Fixed<number>;
}

/** One job, and who does it now. */
export interface JobRow {
  tenant_id: Fixed<string>;
  name: Fixed<string>;
  owner: string | null;
  lease_until: number;
  done_at: number;
}

export interface UsedOnceRow {
  tenant_id: Fixed<string>;
  space: Fixed<string>;
  hash: Fixed<string>;
  expires_at: Fixed<number>;
}

export interface LimitCountRow {
  tenant_id: Fixed<string>;
  bucket: Fixed<string>;
  period: Fixed<number>;
  used: number;
}

/** How many of something a tenant has. */
export interface CounterRow {
  tenant_id: Fixed<string>;
  name: Fixed<string>;
  count: number;
}
