import type { PolicyDocument, Realm } from "./documents.ts";
import type { Step } from "./steps.ts";

/** What is made of a role. */
export interface RoleWanted {
  readonly name: string;
  readonly description: string;
  readonly policy: string;
  readonly policyDescription: string;
  readonly trust: PolicyDocument;
  readonly permission: PolicyDocument;
  /** Whether one that is there already will do. */
  readonly mayExist: boolean;
}

export interface WorkloadWanted {
  readonly name: string;
  readonly description: string;
  readonly identityProvider: string | undefined;
  readonly returnUrls: readonly string[];
  readonly mayExist: boolean;
}

/** A role that is made in steps. */
export interface RolePlan {
  readonly steps: readonly Step[];
  /** As the server answered it; before that, what it is expected to be. */
  readonly arn: () => string;
  /** The name of the policy beside the role, where it is a thing of its own. */
  readonly policyName?: string;
}

/** Where roles and workloads are made: a Legate server, or the cloud. */
export interface Home {
  readonly realm: (signal: AbortSignal) => Promise<Realm>;
  readonly planRole: (realm: Realm, wanted: RoleWanted) => RolePlan;
  readonly workloadStep: (wanted: WorkloadWanted, roleArn: () => string) => Step;
  /** The role that a workload of this name has; undefined where there is no such workload. */
  readonly findWorkload: (name: string, signal: AbortSignal) => Promise<{ readonly roleArn: string | undefined } | undefined>;
}

/** How both write the ARN of a role. */
export const roleArnIn = ({ account }: Realm, name: string): string => `acs:ram::${account}:role/${name}`;
