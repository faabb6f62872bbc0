import type { Foreign, Random } from "../../ground/kernel/index.ts";

/** A workload identity: the one thing that every wire means when it says agent. */
export interface Agent {
  /** `agt_` and 32 hex digits, never reused. */
  readonly id: string;
  /** Unique among the tenant's living agents. */
  readonly name: string;
  readonly title: string | undefined;
  readonly description: string | undefined;
  readonly ownerEmail: string | undefined;
  readonly status: "active" | "suspended" | "revoked";
  /** Who made it; `*` in a list of who may use a thing means those an operator made. */
  readonly origin: "operator" | "self";
  /** `service:resource:action`. */
  readonly permissions: readonly string[];
  /** Where a browser may be sent after a consent; compared character for character. */
  readonly allowedReturnUrls: readonly string[];
  /** The trusted issuer whose user tokens it may act on; without one it accepts none. */
  readonly issuerId: string | undefined;
  readonly roleArn: string | undefined;
  readonly binding: "application" | "login" | "none" | undefined;
  /** Whether it may speak for a user id without that user's token. */
  readonly assertedUsers: boolean;
  readonly tier: string | undefined;
  /** The name of the project whose variables and integrations it reads. */
  readonly project: string;
  readonly labels: Readonly<Record<string, string>>;
  /** What only one foreign wire says of it, by that wire: returned by it, read by nobody else. */
  readonly foreign: Foreign;
  /** Raised by one whenever what was handed out before must no longer work. */
  readonly epoch: number;
  /** Raised by one whenever `roleArn` becomes another: temporary keys from before must no longer work. */
  readonly roleEpoch: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** What may be said of an agent beside its name; a field that is `null` is emptied, one left out stays. */
export interface AgentFields {
  readonly title?: string | null | undefined;
  readonly description?: string | null | undefined;
  readonly ownerEmail?: string | null | undefined;
  readonly permissions?: readonly string[] | undefined;
  readonly allowedReturnUrls?: readonly string[] | undefined;
  /** Name or id of a trusted issuer. */
  readonly issuer?: string | null | undefined;
  readonly roleArn?: string | null | undefined;
  readonly binding?: "application" | "login" | "none" | null | undefined;
  readonly assertedUsers?: boolean | undefined;
  readonly tier?: string | null | undefined;
  /** The name of a project; `null` is the tenant's `default`. */
  readonly project?: string | null | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Replaces what the wires named here said before; other wires' stays. */
  readonly foreign?: Foreign | undefined;
}

/** The project of an agent that names none: every tenant has it. */
export const defaultProject = "default";

/** For an agent that nobody named. */
export const newAgentName = (random: Random): string => `workload-${random(4).toString("hex")}`;

export const newAgentId = (random: Random): string => `agt_${random(16).toString("hex")}`;

/** Whether a reference is an id; a name never begins like one. */
export const isAgentId = (ref: string): boolean => ref.startsWith("agt_");
