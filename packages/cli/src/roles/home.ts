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
}

export interface WorkloadWanted {
  readonly name: string;
  readonly description: string;
  readonly identityProvider: string | undefined;
  readonly returnUrls: readonly string[];
}

/** Where roles and workloads are made: a Legate server, or the cloud. */
export interface Home {
  readonly realm: (signal: AbortSignal) => Promise<Realm>;
  readonly roleArn: (realm: Realm, name: string) => string;
  /** The name of the policy beside the role, where it is a thing of its own. */
  readonly policyName: (policy: string) => string | undefined;
  /** @param mayExist Whether one that is there already will do */
  readonly roleSteps: (wanted: RoleWanted, mayExist: boolean) => readonly Step[];
  readonly workloadStep: (wanted: WorkloadWanted, roleArn: string, mayExist: boolean) => Step;
  /** The role that a workload of this name has; undefined where there is no such workload. */
  readonly findWorkload: (name: string, signal: AbortSignal) => Promise<{ readonly roleArn: string | undefined } | undefined>;
}
