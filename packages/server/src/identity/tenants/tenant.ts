/** Who owns everything else. */
export interface Tenant {
  readonly id: string;
  readonly status: "active" | "suspended";
  /** Raised by one whenever everything handed out before must no longer work. */
  readonly epoch: number;
}

/** The tenant made at first start; anonymous requests belong to it. */
export const defaultTenant = "default";
