/** What an operator may do; admin includes operator, and both may read what an auditor may. */
export type OperatorRole = "admin" | "operator" | "auditor";

/** The agent that acts, with what decides which things it may use. */
export interface ActingAgent {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly origin: "operator" | "self";
  /** The project it belongs to. */
  readonly project: string;
  readonly epoch: number;
}

/** A role that an agent was turned into for a while: what it may do there, evaluated, so that no room asks for the role. */
export interface RoleSession {
  readonly roleArn: string;
  readonly name: string;
  /** Whether its role, and the session's own policy within that, let it do this with every one of these things. */
  permits(action: string, resources: readonly string[]): boolean;
  /** The same, asked anew: for what took a while. Nothing is permitted once the key is gone. */
  permitsStill(action: string, resources: readonly string[]): Promise<boolean>;
}

/**
 * Who asks, as every way in produces it: the only thing rooms and policies see of a caller. Epochs are those the credential carries, or the
 * row's where the credential is looked up at each request.
 */
export interface Principal {
  readonly tenant: string;
  readonly caller:
    | { readonly kind: "operator"; readonly id: string; readonly role: OperatorRole }
    | { readonly kind: "agent"; readonly id: string }
    | { readonly kind: "user"; readonly id: string }
    | { readonly kind: "client"; readonly id: string }
    | { readonly kind: "anonymous" };
  /** The agent that acts, if one does. */
  readonly agent?: ActingAgent;
  /** The user it acts for, if any. */
  readonly user?: { readonly id: string; readonly epoch: number };
  /** Who acts for whom, outermost first: agent ids. */
  readonly actors: readonly string[];
  /** The role it acts in, where it asks with a temporary key. */
  readonly session?: RoleSession;
  /** What its token was given for; left out where a credential has no scopes. */
  readonly scopes?: readonly string[];
  readonly method:
    | "operator_key"
    | "agent_key"
    | "workload_token"
    | "user_token"
    | "client_secret"
    | "client_assertion"
    | "public_client"
    | "access_token"
    | "access_key"
    | "temporary_key"
    | "none";
  readonly requestId: string;
  /** Facts that each row of the record tells which this leaves: through what a room above asks one below. Never a secret. */
  readonly through?: Readonly<Record<string, unknown>>;
  /** The caller's address, as the trusted proxies tell it. */
  readonly address?: string;
}

/** Nobody in particular, in a tenant: pages and callbacks. */
export const anonymous = (tenant: string, requestId: string, address?: string): Principal => ({
  tenant,
  caller: { kind: "anonymous" },
  actors: [],
  method: "none",
  requestId,
  ...(address !== undefined && { address }),
});
