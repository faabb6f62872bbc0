import { type Command, type Context, dryRun, isOn, textOf, type Typed } from "../command.ts";
import { tellDryRun } from "../dry-run.ts";
import { misused } from "../failure.ts";
import { namesFor, permissionPolicy, type PolicyDocument, type Realm, trustPolicy, workloadArn } from "../roles/documents.ts";
import type { Home } from "../roles/home.ts";
import { homeOf, homeOptions } from "../roles/homes.ts";
import { makeAll } from "../roles/steps.ts";

interface RoleMade {
  readonly roleName: string;
  readonly roleArn: string;
  readonly policyName?: string;
  readonly trustPolicy: PolicyDocument;
  readonly permissionPolicy: PolicyDocument;
}

/** An option's value; an empty one is none, as to the cloud's own command line. */
const given = (typed: Typed, flag: string): string | undefined => textOf(typed, flag) || undefined;

const gateway = { flag: "gateway", description: "Let the role have a gateway's policies evaluated too." } as const;
const ifNotExists = { flag: "if-not-exists", description: "Take what is there already; it is neither changed nor taken back." } as const;

const planRole = (context: Context, home: Home, realm: Realm, typed: Typed, roleName: string | undefined, workload: string | undefined) => {
  const names = namesFor(roleName, workload, context.world.randomHex);
  const trust = trustPolicy(realm, workload);
  const permission = permissionPolicy(realm, workload, isOn(typed, "gateway"));
  const { steps, arn, policyName } = home.planRole(realm, {
    name: names.role,
    description: names.roleDescription,
    policy: names.policy,
    policyDescription: names.policyDescription,
    trust,
    permission,
    mayExist: isOn(typed, "if-not-exists"),
  });
  const made = (): RoleMade => ({
    roleName: names.role,
    roleArn: arn(),
    ...(policyName !== undefined && { policyName }),
    trustPolicy: trust,
    permissionPolicy: permission,
  });
  return { steps, arn, made };
};

/** The role with its policies, whole: nothing of them is cut, whatever the terminal. */
const roleText = ({ roleName, roleArn, policyName, trustPolicy: trust, permissionPolicy: permission }: RoleMade): string =>
  [
    `Role: ${roleName}`,
    `Role ARN: ${roleArn}`,
    ...(policyName === undefined ? [] : [`Policy: ${policyName}`]),
    "Trust Policy:",
    JSON.stringify(trust, undefined, 2),
    "Permission Policy:",
    JSON.stringify(permission, undefined, 2),
  ]
    .map((line) => `${line}\n`)
    .join("");

const createRole: Command = {
  path: ["create-role"],
  summary: "Make a role that workload identities can be turned into, with its trust and permission policies",
  about:
    "The role may get credentials of every provider of the default token vault. It is called AgentIdentityRole-{workload}, or with 8 random\ndigits where no workload is named. If a step fails, those before it are taken back.",
  options: [
    { flag: "role-name", value: "name", description: "What the role is called." },
    {
      flag: "workload-identity-name",
      value: "name",
      description: "The only workload that may take it on; every one of the account unless said.",
    },
    gateway,
    ifNotExists,
    ...homeOptions,
    dryRun,
  ],
  examples: [
    "legate create-role --workload-identity-name scout",
    "legate create-role --role-name readers --gateway --cloud alibaba --dry-run",
  ],
  changes: true,
  act: (context, typed) =>
    context.world.interruptible(async (signal) => {
      const { out } = context;
      const workload = textOf(typed, "workload-identity-name");
      // Taken for none, an empty variable of a script would let every workload take the role on.
      if (workload === "") throw misused("--workload-identity-name must not be empty; without it every workload may take the role on.");
      const home = await homeOf(context, typed);
      const realm = await home.realm(signal);
      const plan = planRole(context, home, realm, typed, given(typed, "role-name"), workload);
      if (isOn(typed, "dry-run"))
        return tellDryRun(
          context,
          plan.steps.map(({ request }) => request),
        );
      await makeAll(plan.steps, out, signal);
      return out.json ? out.document(plan.made()) : out.raw(roleText(plan.made()));
    }),
};

const createWorkloadIdentity: Command = {
  path: ["create-workload-identity"],
  summary: "Make a workload identity, which is an agent, and a role for it",
  about: "Where no role is named, one is made as `create-role` does. If a step fails, those before it are taken back.",
  options: [
    { flag: "workload-identity-name", value: "name", required: true, description: "What the workload identity is called." },
    { flag: "associated-role-arn", value: "arn", description: "The ARN of a role that is there; else one is made." },
    { flag: "identity-provider-name", value: "name", description: "The identity provider whose user tokens it may act on." },
    {
      flag: "allowed-resource-oauth2-return-urls",
      value: "urls",
      description: "Where browsers may be sent after a consent; a comma between them.",
    },
    gateway,
    ifNotExists,
    ...homeOptions,
    dryRun,
  ],
  examples: [
    "legate create-workload-identity --workload-identity-name scout",
    "legate create-workload-identity --workload-identity-name scout --allowed-resource-oauth2-return-urls https://app.example.com/back --if-not-exists",
  ],
  changes: true,
  act: (context, typed) =>
    context.world.interruptible(async (signal) => {
      const { out } = context;
      const name = textOf(typed, "workload-identity-name") ?? "";
      if (name === "") throw misused("--workload-identity-name must not be empty.");
      const mayExist = isOn(typed, "if-not-exists");
      const home = await homeOf(context, typed);
      const realm = await home.realm(signal);
      const arn = workloadArn(realm, name);
      const tell = (role: RoleMade | undefined, roleArn: string | undefined) => {
        const facts = { workloadIdentityName: name, workloadIdentityArn: arn, ...(roleArn !== undefined && { roleArn }) };
        if (out.json) return out.document({ ...facts, ...(role && { role }) });
        const lines = `Workload Identity: ${name}\nWorkload Identity ARN: ${arn}\n`;
        return out.raw(`${lines}${role ? roleText(role) : roleArn === undefined ? "" : `Role ARN: ${roleArn}\n`}`);
      };

      const there = mayExist ? await home.findWorkload(name, signal) : undefined;
      if (there) {
        out.note(`There already: ${name}.`);
        return tell(undefined, there.roleArn);
      }
      const associated = given(typed, "associated-role-arn");
      const plan = associated === undefined ? planRole(context, home, realm, typed, undefined, name) : undefined;
      const roleArn = () => associated ?? plan?.arn() ?? "";
      const returnUrls = (textOf(typed, "allowed-resource-oauth2-return-urls") ?? "")
        .split(",")
        .map((url) => url.trim())
        .filter((url) => url !== "");
      const { workloadDescription: description } = namesFor(undefined, name, context.world.randomHex);
      const wanted = { name, description, identityProvider: given(typed, "identity-provider-name"), returnUrls, mayExist };
      const workload = home.workloadStep(wanted, roleArn);
      const steps = [...(plan?.steps ?? []), workload];
      if (isOn(typed, "dry-run"))
        return tellDryRun(
          context,
          steps.map(({ request }) => request),
        );
      await makeAll(steps, out, signal);
      return tell(plan?.made(), roleArn());
    }),
};

/** Commands that make a workload identity and its role as the cloud's own command line does. */
export const workloadCommands: readonly Command[] = [createRole, createWorkloadIdentity];
