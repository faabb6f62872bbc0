import { operations as op } from "@legate/contract";
import type { Noun } from "../../noun.ts";

/** What gives credentials, and what is held of them. */
export const credentials: readonly Noun[] = [
  {
    path: ["providers"],
    summary: "Credential providers: what gives credentials",
    one: "provider",
    columns: ["name", "id", "type", "vault", "status", "kind", "scopes~"],
    samples: { name: "github" },
    verbs: {
      list: { operation: op.listProviders },
      get: { operation: op.getProvider },
      create: {
        operation: op.createProvider,
        words: ["name"],
        asks: "apiKey",
        example: "--type oauth2 --kind github --client-id Iv1.0b7c --client-secret-env GITHUB_SECRET --scope repo",
      },
      update: { operation: op.updateProvider, example: "--scope repo --scope read:org" },
      delete: { operation: op.deleteProvider, example: "--if-exists" },
      suspend: { operation: op.suspendProvider },
      resume: { operation: op.resumeProvider },
      impact: { operation: op.getProviderImpact },
    },
  },
  {
    path: ["vaults"],
    summary: "Token vaults: where credential providers stand",
    one: "vault",
    columns: ["name", "description~", "createdAt"],
    samples: { name: "team-a" },
    verbs: {
      list: { operation: op.listTokenVaults },
      get: { operation: op.getTokenVault },
      delete: { operation: op.deleteTokenVault, example: "--if-exists" },
    },
  },
  {
    path: ["connections"],
    summary: "Connections: what the vault holds for an agent and a user",
    one: "connection",
    columns: ["id", "agent.name", "user.subject", "provider.name", "state", "grantedScopes~", "expiresAt"],
    samples: { id: "con_0b7c" },
    verbs: {
      list: { operation: op.listConnections, example: "--agent mail-reader" },
      get: { operation: op.getConnection },
      delete: { operation: op.deleteConnection, example: "--if-exists" },
      impact: { operation: op.getConnectionImpact },
    },
  },
  {
    path: ["projects"],
    summary: "Projects: the variables and integrations that a team's agents read",
    one: "project",
    columns: ["name", "agents~", "version", "description~", "updatedAt"],
    samples: { project: "shop" },
    verbs: {
      list: { operation: op.listProjects },
      get: { operation: op.getProject },
      set: { operation: op.putProject, example: "--description 'The shop' --agent label:team=shop --lane staging=mail-reader" },
      delete: { operation: op.deleteProject, example: "--if-exists" },
    },
  },
  {
    path: ["projects", "variables"],
    summary: "Variables of a project: values go in, and only agents read them",
    one: "variable",
    columns: ["name", "lane", "version", "updatedAt"],
    calls: { key: "name" },
    samples: { project: "shop", key: "DATABASE_URL", text: ".env" },
    verbs: {
      list: { operation: op.listVariables },
      get: { operation: op.getVariable },
      set: { operation: op.putVariable, asks: "value", example: "--value-env DATABASE_URL" },
      delete: { operation: op.deleteVariable, example: "--if-exists" },
      import: { operation: op.importVariables, file: "text", example: "--lane staging" },
    },
  },
  {
    path: ["projects", "integrations"],
    summary: "Integrations of a project: credentials by name",
    one: "integration",
    columns: ["name", "provider", "vault", "scopes~", "version", "updatedAt"],
    samples: { project: "shop", name: "maps" },
    verbs: {
      list: { operation: op.listIntegrations },
      get: { operation: op.getIntegration },
      set: { operation: op.putIntegration, example: "--provider maps-key" },
      delete: { operation: op.deleteIntegration, example: "--if-exists" },
    },
  },
];
