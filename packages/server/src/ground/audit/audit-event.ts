import type { Random } from "../kernel/index.ts";

/** One thing that happened. */
export interface AuditEvent {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** `noun.verb`, past tense: `agent.suspended`. */
  readonly action: string;
  readonly outcome: "done" | "refused";
  readonly callerKind: string;
  readonly callerId: string | undefined;
  readonly agent: string | undefined;
  readonly user: string | undefined;
  readonly target: string | undefined;
  readonly requestId: string;
  readonly address: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;
}

/** All that are given must hold. */
export interface AuditFilter {
  readonly agent?: string | undefined;
  readonly user?: string | undefined;
  /** An action, or with a final `*` all that begin so. */
  readonly action?: string | undefined;
  /** Milliseconds, inclusive. */
  readonly from?: number | undefined;
  /** Milliseconds, exclusive. */
  readonly to?: number | undefined;
}

/** Makes ids that sort as they were made: events of one millisecond and one process stay in their order. */
export const auditEventIds = (random: Random): (() => string) => {
  let made = 0;
  return () => {
    made = (made + 1) % 0xffffffff;
    return `evt_${made.toString(16).padStart(8, "0")}${random(12).toString("hex")}`;
  };
};
