import { agentName, webUrl } from "@legate/contract";
import { z } from "zod";
import type { Arns, Roles } from "../../../access/roles/index.ts";
import type { Db } from "../../../ground/db/index.ts";
import { type Principal, Refusal } from "../../../ground/kernel/index.ts";
import type { Agent, AgentFields, Agents } from "../../../identity/agents/index.ts";
import type { Issuers } from "../../../identity/issuers/index.ts";
import { moment } from "../moment.ts";
import { type Operation, operation, readers, writers } from "../operation.ts";
import { flag, json, text, textOrEmpty } from "../params.ts";
import { done, listed, listing } from "./lists.ts";
import { permissionPolicyOf, trustPolicyOf } from "./role-documents.ts";

export interface WorkloadIdentityRooms {
  readonly db: Pick<Db, "read">;
  readonly agents: Pick<Agents, "create" | "get" | "list" | "count" | "update" | "remove" | "newName">;
  readonly issuers: Pick<Issuers, "byId">;
  readonly roles: Pick<Roles, "createWithin">;
}

/** What only this wire says of an agent. */
interface Own {
  readonly AllowedConsentCallbackURLs?: readonly string[] | undefined;
  readonly SourceAgentArn?: string | undefined;
  readonly SourcePlatform?: string | undefined;
}

const ownOf = ({ foreign }: Agent): Own => (foreign["alibaba"] ?? {}) as Own;

/** Those that are said. */
const own = ({ AllowedConsentCallbackURLs, SourceAgentArn, SourcePlatform }: Own): Record<string, unknown> => ({
  ...(AllowedConsentCallbackURLs && { AllowedConsentCallbackURLs }),
  ...(SourceAgentArn !== undefined && { SourceAgentArn }),
  ...(SourcePlatform !== undefined && { SourcePlatform }),
});

/** A role may be named by its name; this wire names it by its ARN. */
const roleArnOf = ({ roleArn }: Agent, arns: Arns): string | undefined =>
  roleArn === undefined || roleArn.includes(":") ? roleArn : arns.role(roleArn);

/** Encodes agents; an issuer that many name is looked up once. */
const encoder = ({ db, issuers }: Pick<WorkloadIdentityRooms, "db" | "issuers">, tenant: string, arns: Arns) => {
  const names = new Map<string, Promise<string | undefined>>();
  const issuerName = (id: string | undefined): Promise<string | undefined> => {
    if (id === undefined) return Promise.resolve(undefined);
    const known = names.get(id) ?? issuers.byId(db.read, tenant, id).then((issuer) => issuer?.name);
    names.set(id, known);
    return known;
  };
  return async (agent: Agent) => {
    const { AllowedConsentCallbackURLs = [], SourceAgentArn, SourcePlatform } = ownOf(agent);
    return {
      WorkloadIdentityName: agent.name,
      WorkloadIdentityArn: arns.agent(agent.name),
      Description: agent.description,
      RoleArn: roleArnOf(agent, arns),
      IdentityProviderName: await issuerName(agent.issuerId),
      // A consent is bound to its user unless the agent gives that up.
      SessionBindingEnabled: agent.binding !== "none",
      AllowedResourceOAuth2ReturnURLs: agent.allowedReturnUrls,
      AllowedConsentCallbackURLs,
      SourceAgentArn,
      SourcePlatform,
      CreateTime: moment(agent.createdAt),
      UpdateTime: moment(agent.updatedAt),
    };
  };
};

const bindingOf = (enabled: boolean | undefined): AgentFields["binding"] =>
  enabled === undefined ? undefined : enabled ? "application" : "none";

const urls = json(z.array(webUrl).max(50));
const name = text(255);
const fields = { cursor: "NextToken", name: "WorkloadIdentityName" } as const;

/** Workload identities are agents. */
export const workloadIdentities = (rooms: WorkloadIdentityRooms): readonly Operation[] => {
  const { agents, roles } = rooms;

  /** A role named like the agent, which may take it on and with it do what the vendor's own command line lets it do. */
  const makeRole =
    (who: Principal, arns: Arns): Parameters<Agents["create"]>[2] =>
    async (tx, { name: role }) => {
      await roles.createWithin(
        tx,
        who,
        {
          name: role,
          description: `The role of the workload identity ${role}.`,
          trustPolicy: JSON.stringify(trustPolicyOf(arns.agent(role))),
          permissionPolicy: JSON.stringify(permissionPolicyOf(arns, arns.agent(role))),
        },
        arns,
      );
    };

  return [
    operation({
      version: "2025-09-01",
      action: "CreateWorkloadIdentity",
      callers: writers,
      params: z.strictObject({
        WorkloadIdentityName: agentName.optional(),
        Description: textOrEmpty(2000).optional(),
        RoleArn: text(512).optional(),
        CreateRAMRole: flag.optional(),
        IdentityProviderName: text(128).optional(),
        SessionBindingEnabled: flag.optional(),
        AllowedResourceOAuth2ReturnURLs: urls.optional(),
        AllowedConsentCallbackURLs: urls.optional(),
        SourceAgentArn: text(512).optional(),
        SourcePlatform: text(128).optional(),
      }),
      naming: { fields },
      act: async ({ who, params, arns }) => {
        const { WorkloadIdentityName = agents.newName(), CreateRAMRole = false } = params;
        if (CreateRAMRole && params.RoleArn !== undefined) {
          const message = "CreateRAMRole makes a role: leave it out where RoleArn names one.";
          throw new Refusal("invalid_request", message, { issues: [{ parameter: "CreateRAMRole", message }] });
        }
        const wanted = {
          name: WorkloadIdentityName,
          description: params.Description || undefined,
          roleArn: CreateRAMRole ? arns.role(WorkloadIdentityName) : params.RoleArn,
          issuer: params.IdentityProviderName,
          binding: bindingOf(params.SessionBindingEnabled),
          allowedReturnUrls: params.AllowedResourceOAuth2ReturnURLs,
          foreign: { alibaba: own(params) },
        };
        const agent = await agents.create(who, wanted, CreateRAMRole ? makeRole(who, arns) : undefined);
        return { WorkloadIdentity: await encoder(rooms, who.tenant, arns)(agent) };
      },
    }),

    operation({
      version: "2025-09-01",
      action: "GetWorkloadIdentity",
      callers: readers,
      params: z.strictObject({ WorkloadIdentityName: name }),
      act: async ({ who, params, arns }) => {
        const agent = await agents.get(who.tenant, params.WorkloadIdentityName);
        return { WorkloadIdentity: await encoder(rooms, who.tenant, arns)(agent) };
      },
    }),

    operation({
      version: "2025-09-01",
      action: "ListWorkloadIdentities",
      callers: readers,
      params: z.strictObject(listing.params),
      naming: listing.naming,
      act: ({ who, params, arns }) =>
        listed("WorkloadIdentities", params, {
          page: (ask) => agents.list(who.tenant, ask),
          count: () => agents.count(who.tenant),
          encode: encoder(rooms, who.tenant, arns),
        }),
    }),

    operation({
      version: "2025-09-01",
      action: "UpdateWorkloadIdentity",
      callers: writers,
      params: z.strictObject({
        WorkloadIdentityName: name,
        // What is empty is taken away, what is left out stays.
        Description: textOrEmpty(2000).optional(),
        RoleArn: textOrEmpty(512).optional(),
        IdentityProviderName: textOrEmpty(128).optional(),
        // Text where other actions have a boolean, and the same words (wire: workload identities).
        SessionBindingEnabled: flag.optional(),
        AllowedResourceOAuth2ReturnURLs: urls.optional(),
        AllowedConsentCallbackURLs: urls.optional(),
      }),
      naming: { fields },
      act: async ({ who, params }) => {
        const { SessionBindingEnabled, AllowedConsentCallbackURLs } = params;
        const current = await agents.get(who.tenant, params.WorkloadIdentityName);
        // A login binds a consent to its user too.
        const stays = SessionBindingEnabled === true && current.binding === "login";
        const orNone = (given: string | undefined) => (given === "" ? null : given);
        const change: AgentFields = {
          description: orNone(params.Description),
          roleArn: orNone(params.RoleArn),
          issuer: orNone(params.IdentityProviderName),
          binding: stays ? undefined : bindingOf(SessionBindingEnabled),
          allowedReturnUrls: params.AllowedResourceOAuth2ReturnURLs,
          foreign: AllowedConsentCallbackURLs && { alibaba: own({ ...ownOf(current), AllowedConsentCallbackURLs }) },
        };
        return done(agents.update(who, current.id, change));
      },
    }),

    operation({
      version: "2025-09-01",
      action: "DeleteWorkloadIdentity",
      callers: writers,
      params: z.strictObject({ WorkloadIdentityName: name }),
      act: ({ who, params }) => done(agents.remove(who, params.WorkloadIdentityName)),
    }),
  ];
};
