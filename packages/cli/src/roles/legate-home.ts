import { type Operation, operations } from "@legate/contract";
import { LegateApiError, type LegateClient } from "@legate/sdk";
import { shownRequest } from "../dry-run.ts";
import { misused } from "../failure.ts";
import { type Home, roleArnIn } from "./home.ts";

const isRefusal = (error: unknown, code: string): boolean => error instanceof LegateApiError && error.code === code;

/** The contract's own checks, before anything is made. @throws CommandFailure */
const check = ({ body: schema }: Operation, body: unknown, what: string): void => {
  const parsed = schema.safeParse(body);
  if (!parsed.success) throw misused(parsed.error.issues.map(({ path, message }) => `${what}: ${path.join(".")} ${message}`).join("; "));
};

/** Roles and agents of a Legate server. The permission policy stands in the role itself. */
export const legateHome = (client: () => LegateClient, endpoint: string): Home => ({
  realm: async (signal) => {
    const { region, accountId } = await client().whoami({ signal });
    return { region, account: accountId };
  },

  planRole: (realm, { name, description, trust, permission, mayExist }) => {
    const body = { name, description, trustPolicy: { ...trust }, permissionPolicy: { ...permission } };
    check(operations.createRole, body, `role ${name}`);
    let arn = roleArnIn(realm, name);
    return {
      arn: () => arn,
      steps: [
        {
          what: `role ${name}`,
          request: shownRequest(endpoint, operations.createRole, { params: {}, query: {}, body }),
          act: async (signal) => {
            arn = (await client().call(operations.createRole, { body, signal })).arn;
          },
          already: async (error, signal) => {
            if (!mayExist || !isRefusal(error, "role_exists")) return false;
            arn = (await client().call(operations.getRole, { params: { name }, signal })).arn;
            return true;
          },
          undo: async () => {
            await client().call(operations.deleteRole, { params: { name } });
          },
        },
      ],
    };
  },

  workloadStep: ({ name, description, identityProvider, returnUrls, mayExist }, roleArn) => {
    const body = () => ({
      name,
      description,
      roleArn: roleArn(),
      ...(identityProvider !== undefined && { issuer: identityProvider }),
      ...(returnUrls.length > 0 && { allowedReturnUrls: [...returnUrls] }),
    });
    check(operations.createAgent, body(), `agent ${name}`);
    return {
      what: `agent ${name}`,
      request: shownRequest(endpoint, operations.createAgent, { params: {}, query: {}, body: body() }),
      act: async (signal) => {
        await client().agents.create(body(), { signal });
      },
      already: async (error) => mayExist && isRefusal(error, "agent_exists"),
      undo: () => client().agents.delete(name),
    };
  },

  findWorkload: async (name, signal) => {
    try {
      return { roleArn: (await client().agents.get(name, { signal })).roleArn };
    } catch (error) {
      if (isRefusal(error, "agent_unknown")) return undefined;
      throw error;
    }
  },
});
