import type { StoreAddress } from "../../ground/db/index.ts";
import type { Principal } from "../../ground/kernel/index.ts";
import { openTestHouse } from "../../testing/house.ts";
import { adminOf, handClock } from "../../testing/stores.ts";

export const hour = 60 * 60_000;

/** The whole house, whose clock a test moves by hand, and who asks in it. */
export const openRoles = async (store: StoreAddress) => {
  const hand = handClock();
  const house = await openTestHouse(store, { clock: hand.clock });
  const admin = adminOf("default");
  const arns = await house.roles.arnsOf("default");

  /** A principal as the workload access token of an agent makes it, alone or for a user. */
  const worker = async (agent: string, userId?: string): Promise<Principal> => {
    const { token } = await house.workloadTokens.issue(admin, { agent, ...(userId !== undefined && { userId }) });
    return house.authn.prove({ authorization: `Bearer ${token}`, tenant: "default", requestId: "req_test" }, ["workload-token"]);
  };

  const events = async (action: string, tenant = "default") => (await house.audit.list(tenant, { action }, { limit: 50 })).items;

  /** Every row there is, as text. */
  const everything = async (): Promise<string> => {
    const tables = ["audit_events", "access_keys", "roles", "role_policies", "providers"] as const;
    const rows = await Promise.all(tables.map((table) => house.db.read.selectFrom(table).selectAll().execute()));
    return JSON.stringify(rows);
  };

  return { house, hand, admin, arns, worker, events, everything, roles: house.roles, close: () => house.close() };
};
export type OpenRoles = Awaited<ReturnType<typeof openRoles>>;

export const getToken = "agentidentitydata:GetResourceOAuth2Token";
export const getKey = "agentidentitydata:GetResourceAPIKey";

export const policyOf = (...statements: readonly object[]): string => JSON.stringify({ Version: "1", Statement: statements });
export const allowing = (action: string | readonly string[], resource: string | readonly string[] = "*"): string =>
  policyOf({ Effect: "Allow", Action: action, Resource: resource });
/** A trust policy that lets one workload in, by its ARN. */
export const trusting = (arn: string): string =>
  policyOf({
    Effect: "Allow",
    Principal: { Service: "workload.agentidentity.aliyuncs.com" },
    Action: ["sts:AssumeRole", "sts:SetContext"],
    Condition: { StringEquals: { "sts:RequestContext/agentidentity:WorkloadIdentityArn": arn } },
  });
