import type { Random } from "../../ground/kernel/index.ts";

/** Who owns everything else. */
export interface Tenant {
  /** Its name. */
  readonly id: string;
  /** `deleted` is a tombstone: the name is never given out again. */
  readonly status: "active" | "suspended" | "deleted";
  /** Raised by one whenever everything handed out before must no longer work. */
  readonly epoch: number;
  /** 16 digits, for ARNs; no two tenants of an installation have the same. */
  readonly accountId: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** The tenant made at first start; anonymous requests belong to it. */
export const defaultTenant = "default";

/** What may be a tenant's name. It stands in URLs as it is, so there is one way to write it. */
export const isTenantName = (text: string): boolean => /^[a-z][a-z0-9-]{1,38}$/.test(text);

const smallest = 10n ** 15n;

/** 16 digits, the first of which is not 0. */
export const newAccountId = (random: Random): string => String(smallest + (random(8).readBigUInt64BE() % (9n * smallest)));
