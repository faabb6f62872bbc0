import type { Audit } from "../../ground/audit/index.ts";
import type { Db } from "../../ground/db/index.ts";
import type { Egress } from "../../ground/egress/index.ts";
import { type ActingAgent, type Clock, jsonFault, type Principal, type Random, Refusal } from "../../ground/kernel/index.ts";
import type { AccessKeys } from "../../identity/access-keys/index.ts";
import type { Agents } from "../../identity/agents/index.ts";
import type { StandingCheck, Tokens } from "../../identity/tokens/index.ts";
import { isElsewhere } from "./arn.ts";
import { type CloudCredentials, CloudRefused, CloudUnavailable } from "./cloud.ts";
import { makeAlibabaCloud } from "./cloud-alibaba.ts";
import { makeAwsCloud } from "./cloud-aws.ts";
import type { KnownRole, KnownRoles } from "./known-roles.ts";
import { parsePolicy } from "./policy-document.ts";
import { implicitRoleId, type Role, type RoleCloud } from "./role.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly egress: Pick<Egress, "fetch">;
  readonly clock: Clock;
  readonly random: Random;
  readonly agents: Pick<Agents, "byId">;
  readonly tokens: Pick<Tokens, "mint">;
  readonly standing: Pick<StandingCheck, "check" | "alive">;
  readonly accessKeys: Pick<AccessKeys, "issueTemporary">;
  readonly known: KnownRoles;
}

/** How a role is taken on. */
export interface AssumeAsk {
  /** Name, id or ARN; the agent's own where it is left out. */
  readonly role?: string | undefined;
  /** 900 to 43,200; an hour where it is left out. */
  readonly seconds?: number | undefined;
  /** The agent's name where it is left out. */
  readonly sessionName?: string | undefined;
  /** JSON text that narrows what the session may do: in the words of RAM, or in those of the role's cloud. */
  readonly policy?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The keys of a session of a role: ours, or a cloud's. */
export interface Assumed extends CloudCredentials {
  readonly roleArn: string;
  readonly roleId: string;
  readonly sessionName: string;
}

/** A role that an agent takes on. */
interface Meant extends KnownRole {
  readonly arn: string;
  /** The agent's, as it is while its role is read. */
  readonly roleEpoch: number;
}

const leastSeconds = 900;
const mostSeconds = 43_200;
const longestPolicy = 2_048;
const sessionNameForm = /^[A-Za-z0-9_.@=,-]{2,64}$/;
const audiences = { aws: "sts.amazonaws.com", alibaba: "sts.aliyuncs.com" } as const;

const invalid = (path: string, message: string) => new Refusal("invalid_request", `${path}: ${message}`, { issues: [{ path, message }] });

/** A session policy in a cloud's words, which only the cloud understands. @throws Refusal policy_invalid */
const checkCloudPolicy = (policy: string): void => {
  const no = (message: string) =>
    new Refusal("policy_invalid", `The session policy ${message}.`, { issues: [{ path: "policy", message }] });
  if (policy.length > longestPolicy) throw no(`has more than ${longestPolicy} characters`);
  const fault = jsonFault(policy);
  if (fault !== undefined) throw no(fault);
  try {
    JSON.parse(policy);
  } catch {
    throw no("is not JSON");
  }
};

/** @throws Refusal invalid_request, policy_invalid */
const checkAsk = (sessionName: string, seconds: number, policy: string | undefined, cloud: RoleCloud | undefined): void => {
  if (!sessionNameForm.test(sessionName)) throw invalid("sessionName", "must be 2 to 64 of A-Z a-z 0-9 _ . @ = , -");
  if (cloud?.provider === "alibaba" && /[=,]/.test(sessionName)) throw invalid("sessionName", "may hold neither = nor , at Alibaba Cloud");
  if (!Number.isSafeInteger(seconds) || seconds < leastSeconds || seconds > mostSeconds)
    throw invalid("seconds", `must be ${leastSeconds} to ${mostSeconds}`);
  if (policy === undefined) return;
  if (cloud) checkCloudPolicy(policy);
  else parsePolicy(policy, "session", "policy");
};

const refused = (role: string) =>
  new Refusal("role_refused", `The role ${role} does not let this agent in: its list of agents, or its trust policy.`, { role });

/** Turns an agent into a role for a while. */
export const makeAssume = ({ audit, egress, clock, random, agents, tokens, standing, accessKeys, known }: Needs) => {
  const clouds = { aws: makeAwsCloud({ egress, clock }), alibaba: makeAlibabaCloud({ egress, clock, random }) };

  /**
   * The role that is meant, by the ARN that the session carries. One of another account that the agent's own `roleArn` names and no row has is
   * implicit. One of ours is there or is not: an agent must not gain by the deletion of its role, nor by a letter that is wrong.
   * @throws Refusal role_required, role_unknown
   */
  const meant = async (tenant: string, { id }: ActingAgent, ref: string | undefined): Promise<Meant> => {
    const { roleArn: own, roleEpoch = 0 } = (await agents.byId(known.read, tenant, id)) ?? {};
    const wanted = ref ?? own;
    if (wanted === undefined) throw new Refusal("role_required", "The agent has no role.");
    const found = await known.find(tenant, wanted);
    if (!found.role && (wanted !== own || !isElsewhere(wanted, (await known.arnsOf(tenant)).account)))
      throw new Refusal("role_unknown", `There is no role ${wanted}.`, { role: wanted });
    return { ...found, arn: found.role?.arn ?? wanted, roleEpoch };
  };

  /** @throws Refusal role_refused, which the record tells */
  const admit = async (who: Principal, agent: ActingAgent, found: KnownRole & { readonly arn: string }): Promise<void> => {
    if (!found.role || (await known.letsIn(found, agent))) return;
    await audit.refused(who, "role.refused", { target: found.role.id, details: { reason: "not_let_in", role: found.arn } });
    throw refused(found.role.name);
  };

  /** Asks a cloud, for the agent. @throws Refusal provider_refused, provider_unavailable */
  const atCloud = async (
    who: Principal,
    agent: ActingAgent,
    role: Role,
    cloud: RoleCloud,
    ask: AssumeAsk & { readonly seconds: number; readonly sessionName: string },
  ): Promise<CloudCredentials> => {
    const audience = cloud.audience ?? audiences[cloud.provider];
    const { token } = await tokens.mint("web_identity", who.tenant, { audience, agentId: agent.id });
    const asked = { token, sessionName: ask.sessionName, seconds: ask.seconds, policy: ask.policy, signal: ask.signal };
    try {
      return await (cloud.provider === "aws" ? clouds.aws(cloud, asked) : clouds.alibaba(cloud, asked));
    } catch (thrown) {
      if (thrown instanceof CloudRefused) {
        const { error, description } = thrown;
        await audit.refused(who, "role.refused", { target: role.id, details: { reason: "provider_refused", role: role.arn, error } });
        throw new Refusal("provider_refused", "The cloud refused the role.", { error, ...(description !== undefined && { description }) });
      }
      if (!(thrown instanceof CloudUnavailable)) throw thrown;
      const { reason } = thrown;
      // Nobody knows what was done with the token there, so that it was shown is on record.
      await audit.refused(who, "role.refused", {
        target: role.id,
        details: { reason: "provider_unavailable", role: role.arn, cause: reason },
      });
      throw new Refusal("provider_unavailable", "The cloud cannot be reached, or answered nonsense. Try again.", { reason });
    }
  };

  /**
   * Turns the agent that a workload access token names into a role, and hands out the keys of that session. Each is in the record before anybody
   * has it.
   * @throws Refusal forbidden for anything but a workload access token; role_required, role_unknown, role_refused, invalid_request, policy_invalid,
   * provider_refused, provider_unavailable, too_many for temporary keys of ours, and whatever says that the agent or its user may no longer act
   */
  return async (who: Principal, ask: AssumeAsk): Promise<Assumed> => {
    const { agent, user, tenant } = who;
    // A session is never turned into another one: it would outlive itself.
    if (!agent || who.method !== "workload_token") throw new Refusal("forbidden", "Roles are taken on with a workload access token.");
    const found = await meant(tenant, agent, ask.role);
    const { role, arn } = found;
    const sessionName = ask.sessionName ?? agent.name.slice(0, 64);
    const seconds = ask.seconds ?? 3_600;
    checkAsk(sessionName, seconds, ask.policy, role?.cloud);
    await admit(who, agent, found);
    const roleId = role?.id ?? implicitRoleId(tenant, arn);
    const { tenantEpoch } = await standing.check(tenant, agent.id, user?.id, { agent: agent.epoch, user: user?.epoch });

    const assumed = (credentials: CloudCredentials): Assumed => ({ ...credentials, roleArn: arn, roleId, sessionName });
    if (!role?.cloud) {
      const asked = {
        agent: { ...agent, roleEpoch: found.roleEpoch },
        user,
        tenantEpoch,
        roleArn: arn,
        roleId: role?.id,
        sessionName,
        sessionPolicy: ask.policy,
        seconds,
      };
      return assumed(await accessKeys.issueTemporary(who, asked));
    }
    const credentials = await atCloud(who, agent, role, role.cloud, { ...ask, seconds, sessionName });
    // That took a while: whoever was stopped meanwhile gets nothing of it.
    await standing.alive(who);
    const still = await known.find(tenant, role.id);
    if (!still.role) throw new Refusal("role_unknown", `There is no role ${role.name}.`, { role: role.name });
    await admit(who, agent, { ...still, arn });
    const { expiresAt, accessKeyId } = credentials;
    await audit.note(who, "role.assumed", {
      target: accessKeyId,
      details: { role: arn, roleId, session: sessionName, expiresAt, narrowed: ask.policy !== undefined, cloud: role.cloud.provider },
    });
    return assumed(credentials);
  };
};
