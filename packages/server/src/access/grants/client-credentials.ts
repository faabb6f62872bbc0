import { agentOf, type Grant } from "./grant.ts";

/** RFC 6749 4.4: an agent, for itself. */
export const clientCredentials: Grant = {
  name: "client_credentials",
  find: async ({ client }) => {
    const { id, epoch } = agentOf(client);
    return {
      granted: { actors: [{ id, epoch }], ceiling: undefined, audiences: undefined, notAfter: undefined, grantId: undefined },
    };
  },
};
