import { z } from "zod";
import { moment, pageOf, pageQuery, scopes, text, textOrEmpty, thingName } from "./fields.ts";
import { operation } from "./operation.ts";
import { mayUseEntry } from "./providers.ts";

/** A project's name, which is its id. */
export const projectName = thingName.describe("The project's name, which is its id.");
/** Another set of variables beside the default one: an environment, a deployment, a branch. */
export const laneName = z
  .string()
  .regex(/^(?!__proto__$)[A-Za-z0-9_.-]{1,64}$/, "must be 1 to 64 of A-Z a-z 0-9 _ . -, and not __proto__")
  .describe("A set of variables beside the default one.");
/** What a variable may be called. */
export const variableName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,127}$/, "must be 1 to 128 of A-Z a-z 0-9 _ . - and begin with a letter or _");

const bytes = (value: string) => new TextEncoder().encode(value).length;
const secretText = (most: number) =>
  textOrEmpty(most).refine((value) => value.length <= most && bytes(value) <= most, `must be at most ${most} bytes`);
/** Of a variable's value and of an integration's credential, in bytes. */
const longestValue = 65_536;
/** Of a `.env` file, in characters. */
const longestFile = 262_144;

const entries = z.array(mayUseEntry).max(500);
/** What a project is made or changed to; what is left out stays as it is. */
export const projectBody = z.strictObject({
  description: textOrEmpty(2000).optional().describe("Stays as it is when left out; empty removes it."),
  agents: entries
    .optional()
    .describe(
      "Which of its agents may read it: by name or id, `label:key`, `label:key=value`, or `*`. When left out they stay as they are; a new project begins with `*`.",
    ),
  lanes: z
    .record(laneName, entries)
    .refine((lanes) => Object.keys(lanes).length <= 50, "must have at most 50 lanes")
    .optional()
    .describe(
      "By lane, which of them may read it there. A lane that is not named is read by all who may read the project. When left out they stay as they are.",
    ),
});

/** A project as answered. */
export const project = z.object({
  name: z.string(),
  description: z.string().optional(),
  agents: z.array(z.string()),
  lanes: z.record(z.string(), z.array(z.string())),
  sets: z
    .array(z.object({ lane: z.string().optional().describe("Left out for the default set."), variables: z.number().int() }))
    .describe("The sets that hold variables, and how many."),
  version: z.number().int(),
  createdAt: moment,
  updatedAt: moment,
});

/** A variable as answered: its value never comes back. */
export const variable = z.object({
  name: z.string(),
  lane: z.string().optional().describe("Left out in the default set."),
  version: z.number().int().describe("Raised whenever the value changes."),
  createdAt: moment,
  updatedAt: moment,
});

/** An integration as answered: its credential never comes back. */
export const integration = z.object({
  name: z.string(),
  provider: z.string().optional().describe("The credential provider that gives the credential; left out where it is stored here."),
  vault: z.string().optional(),
  scopes: z.array(z.string()).optional(),
  version: z.number().int(),
  createdAt: moment,
  updatedAt: moment,
});

/** Where an integration's credential comes from: a stored text, or a credential provider of the vault. */
export const integrationBody = z
  .strictObject({
    credential: secretText(longestValue).min(1).optional().describe("A text that is stored here and handed out as it is."),
    provider: text(128)
      .optional()
      .describe("A credential provider: its API key, or of OAuth 2 a token that the agent gets for itself (M2M)."),
    vault: thingName.optional().describe("The vault that the provider stands in; `default` unless given."),
    scopes: scopes.optional().describe("Asked of the provider; its own when left out."),
  })
  .refine(({ credential, provider }) => (credential === undefined) !== (provider === undefined), "needs either credential or provider")
  .superRefine((body, context) => {
    if (body.provider !== undefined) return;
    for (const field of ["vault", "scopes"] as const)
      if (body[field] !== undefined) context.addIssue({ code: "custom", path: [field], message: "belongs to a provider" });
  });

const noun = "Projects";
const named = z.strictObject({ project: projectName });
const inLane = z.strictObject({ lane: laneName.optional().describe("The set that is meant; the default one unless given.") });
const variableOf = named.extend({ key: variableName });
const integrationOf = named.extend({ name: thingName });
const write = ["admin", "operator"] as const;
const read = ["admin", "operator", "auditor"] as const;

export const putProject = operation({
  id: "putProject",
  noun,
  summary: "Make a project, or change what is named of one",
  method: "PUT",
  path: "/v1/projects/{project}",
  rights: write,
  params: named,
  body: projectBody,
  answer: project,
  status: 200,
  refusals: ["agent_unknown"],
});
export const listProjects = operation({
  id: "listProjects",
  noun,
  summary: "List projects",
  method: "GET",
  path: "/v1/projects",
  rights: read,
  query: pageQuery,
  answer: pageOf(project),
  status: 200,
  refusals: [],
});
export const getProject = operation({
  id: "getProject",
  noun,
  summary: "Read one project",
  method: "GET",
  path: "/v1/projects/{project}",
  rights: read,
  params: named,
  answer: project,
  status: 200,
  refusals: ["project_unknown"],
});
export const deleteProject = operation({
  id: "deleteProject",
  noun,
  summary: "Delete a project with its variables and integrations",
  method: "DELETE",
  path: "/v1/projects/{project}",
  rights: write,
  params: named,
  status: 204,
  refusals: ["project_unknown", "project_in_use"],
});

export const putVariable = operation({
  id: "putVariable",
  noun,
  summary: "Set a variable",
  method: "PUT",
  path: "/v1/projects/{project}/variables/{key}",
  rights: write,
  params: variableOf,
  body: z.strictObject({ value: secretText(longestValue), lane: laneName.optional() }),
  answer: variable,
  status: 200,
  refusals: ["project_unknown"],
});
export const listVariables = operation({
  id: "listVariables",
  noun,
  summary: "List the variables of a set by name, without their values",
  method: "GET",
  path: "/v1/projects/{project}/variables",
  rights: read,
  params: named,
  query: pageQuery.extend(inLane.shape),
  answer: pageOf(variable),
  status: 200,
  refusals: ["project_unknown"],
});
export const getVariable = operation({
  id: "getVariable",
  noun,
  summary: "Read about a variable; its value never comes back",
  method: "GET",
  path: "/v1/projects/{project}/variables/{key}",
  rights: read,
  params: variableOf,
  query: inLane,
  answer: variable,
  status: 200,
  refusals: ["project_unknown", "variable_unknown"],
});
export const deleteVariable = operation({
  id: "deleteVariable",
  noun,
  summary: "Delete a variable",
  method: "DELETE",
  path: "/v1/projects/{project}/variables/{key}",
  rights: write,
  params: variableOf,
  query: inLane,
  status: 204,
  refusals: ["project_unknown", "variable_unknown"],
});
export const importVariables = operation({
  id: "importVariables",
  noun,
  summary: "Set the variables that a .env file names, all or none",
  method: "POST",
  path: "/v1/projects/{project}/variables/import",
  rights: write,
  params: named,
  body: z.strictObject({
    text: textOrEmpty(longestFile).describe("The file. `details.issues` names the lines that do not parse; then nothing is changed."),
    lane: laneName.optional(),
    replace: z.boolean().optional().describe("Whether variables of the set that the file does not name are removed."),
  }),
  // JSON may write each character of the file as `\u` and four digits.
  largestBody: 6 * longestFile + 1024,
  answer: z.object({
    made: z.number().int(),
    changed: z.number().int(),
    unchanged: z.number().int(),
    removed: z.number().int(),
  }),
  status: 200,
  refusals: ["project_unknown"],
});

export const putIntegration = operation({
  id: "putIntegration",
  noun,
  summary: "Say where an integration's credential comes from",
  method: "PUT",
  path: "/v1/projects/{project}/integrations/{name}",
  rights: write,
  params: integrationOf,
  body: integrationBody,
  answer: integration,
  status: 200,
  refusals: ["project_unknown", "provider_unknown"],
});
export const listIntegrations = operation({
  id: "listIntegrations",
  noun,
  summary: "List a project's integrations by name, without their credentials",
  method: "GET",
  path: "/v1/projects/{project}/integrations",
  rights: read,
  params: named,
  query: pageQuery,
  answer: pageOf(integration),
  status: 200,
  refusals: ["project_unknown"],
});
export const getIntegration = operation({
  id: "getIntegration",
  noun,
  summary: "Read about an integration; its credential never comes back",
  method: "GET",
  path: "/v1/projects/{project}/integrations/{name}",
  rights: read,
  params: integrationOf,
  answer: integration,
  status: 200,
  refusals: ["project_unknown", "integration_unknown"],
});
export const deleteIntegration = operation({
  id: "deleteIntegration",
  noun,
  summary: "Delete an integration",
  method: "DELETE",
  path: "/v1/projects/{project}/integrations/{name}",
  rights: write,
  params: integrationOf,
  status: 204,
  refusals: ["project_unknown", "integration_unknown"],
});

export const readVariables = operation({
  id: "readVariables",
  noun,
  summary: "Read the variables of the agent's own project, with their values",
  method: "POST",
  path: "/v1/credentials/variables",
  rights: ["workload-token"],
  body: z.strictObject({
    project: projectName.optional().describe("The project the agent believes it belongs to: another one is refused."),
    lane: laneName.optional().describe("The lane it runs in; one that the project does not know means the default set."),
  }),
  answer: z.object({
    project: z.string(),
    lane: z.string().optional().describe("The lane that was read; left out for the default set."),
    variables: z.array(z.object({ name: z.string(), value: z.string() })).describe("By name."),
  }),
  status: 200,
  refusals: ["project_unknown"],
});
