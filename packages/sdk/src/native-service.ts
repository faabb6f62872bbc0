import { operations } from "@legate/contract";
import { type Call, isUnauthenticated } from "./call.ts";
import { ConfigurationError } from "./errors.ts";
import { Flights } from "./flights.ts";
import { identityOf } from "./identity.ts";
import { makeLocalAgent } from "./local-agent.ts";
import { isTransient } from "./retry.ts";
import type { Service } from "./service.ts";
import type { Settings } from "./settings.ts";

/** Legate's own wire, behind a broker. */
export const makeNativeService = (settings: Settings, call: Call): Service => {
  const { clock } = settings;
  const flights = new Flights();
  const localAgent = makeLocalAgent(settings, call);
  const key = settings.agentKey ?? settings.operatorKey;

  return {
    place: settings.url,
    isRefused: isUnauthenticated,
    isPassing: isTransient,
    identity: (values) => identityOf(values, settings.workloadToken, key !== undefined),

    /** An agent key is its own agent; an operator key must say which. */
    asker: async (who, agent, signal) => {
      if (who.kind === "token") return { credential: undefined, agent: undefined };
      if (settings.agentKey !== undefined) return { credential: key, agent: undefined };
      if (settings.operatorKey === undefined) {
        throw new ConfigurationError(
          "No credential: give `agentKey` (LEGATE_AGENT_KEY), or a workload token in the context or environment.",
        );
      }
      return { credential: key, agent: agent ?? settings.agent ?? (await flights.join("local-agent", signal, localAgent)) };
    },

    workloadToken: async (who, { agent }, { signal }) => {
      const body = {
        ...(agent !== undefined && { agent }),
        ...(who.kind === "user-token" && { userToken: who.userToken }),
        ...(who.kind === "user-id" && { userId: who.userId }),
      };
      const { token, expiresIn } = await call(operations.createWorkloadToken, { body, signal });
      return { secret: token, lifeMs: expiresIn * 1000 };
    },

    accessToken: async (body, { token }, limits) => {
      const answer = await call(operations.getOauth2Token, { body, bearer: token, ...limits });
      if ("authorizationUrl" in answer) return { url: answer.authorizationUrl, sessionUri: answer.sessionUri };
      // An unknown expiry is no expiry to count on: such a token is asked for each time.
      const lifeMs = answer.expiresAt === undefined ? 0 : Date.parse(answer.expiresAt) - clock();
      return { secret: answer.accessToken, lifeMs };
    },

    apiKey: async (body, { token }, limits) => (await call(operations.getApiKey, { body, bearer: token, ...limits })).apiKey,

    stsCredential: ({ provider, vault, durationSeconds, policy, sessionName }, { token }, limits) => {
      const body = {
        ...(provider !== undefined && { provider }),
        ...(vault !== undefined && { vault }),
        ...(durationSeconds !== undefined && { durationSeconds }),
        ...(policy !== undefined && { policy }),
        ...(sessionName !== undefined && { sessionName }),
      };
      return call(operations.getStsCredential, { body, bearer: token, ...limits });
    },
  };
};
