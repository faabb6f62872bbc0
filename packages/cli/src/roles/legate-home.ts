import { operations } from "@legate/contract";
import { LegateApiError, type LegateClient } from "@legate/sdk";
import { shownRequest } from "../describe-operation.ts";
import type { Home } from "./home.ts";

const isConflict = (error: unknown, code: string): boolean => error instanceof LegateApiError && error.code === code;

/** Roles and agents of a Legate server. The permission policy stands in the role itself. */
export const legateHome = (client: () => LegateClient, endpoint: string): Home => ({
  realm: async (signal) => {
    const { region, accountId } = await client().whoami({ signal });
    return { region, account: accountId };
  },
  roleArn: ({ account }, name) => `acs:ram::${account}:role/${name}`,
  policyName: () => undefined,
  roleSteps: ({ name, description, trust, permission }, mayExist) => {
    const body = { name, description, trustPolicy: { ...trust }, permissionPolicy: { ...permission } };
    return [
      {
        what: `role ${name}`,
        request: shownRequest(endpoint, operations.createRole, { params: {}, query: {}, body }),
        act: async (signal) => void (await client().call(operations.createRole, { body, signal })),
        already: async (error) => mayExist && isConflict(error, "role_exists"),
        undo: async () => void (await client().call(operations.deleteRole, { params: { name } })),
      },
    ];
  },
  workloadStep: ({ name, description, identityProvider, returnUrls }, roleArn, mayExist) => {
    const body = {
      name,
      description,
      roleArn,
      ...(identityProvider !== undefined && { issuer: identityProvider }),
      ...(returnUrls.length > 0 && { allowedReturnUrls: [...returnUrls] }),
    };
    return {
      what: `agent ${name}`,
      request: shownRequest(endpoint, operations.createAgent, { params: {}, query: {}, body }),
      act: async (signal) => void (await client().agents.create(body, { signal })),
      already: async (error) => mayExist && isConflict(error, "agent_exists"),
      undo: () => client().agents.delete(name),
    };
  },
  findWorkload: async (name, signal) => {
    try {
      const agent = await client().agents.get(name, { signal });
      return { roleArn: agent.roleArn };
    } catch (error) {
      if (isConflict(error, "agent_unknown")) return undefined;
      throw error;
    }
  },
});
