import { Client, HttpsProxy, loadSkillEnv, WorkloadIdentityError } from "../../packages/sdk/dist/coze/index.js";

/** What the original throws as a bare `Exception` has a class of its own here. */
const classes = { OutboundError: "Exception" };

const optionsFrom = (env) => ({
  clientId: env.COZE_WORKLOAD_IDENTITY_CLIENT_ID ?? "",
  clientSecret: env.COZE_WORKLOAD_IDENTITY_CLIENT_SECRET ?? "",
  tokenEndpoint: env.COZE_WORKLOAD_IDENTITY_TOKEN_ENDPOINT ?? "",
  accessTokenEndpoint: env.COZE_WORKLOAD_ACCESS_TOKEN_ENDPOINT ?? "",
  outboundEndpoint: env.COZE_OUTBOUND_AUTH_ENDPOINT ?? "",
  lane: env.COZE_SERVER_ENV ?? "NONE",
});

const outcomeOf = async ({ env, call, name, source }) => {
  if (call === "proxy") return HttpsProxy(env);
  if (call === "skill") {
    const into = { ...env };
    const loaded = await loadSkillEnv({ sourcePath: source, force: true, into, retries: 0 });
    return { loaded, set: Object.fromEntries(Object.entries(into).filter(([key, value]) => env[key] !== value)) };
  }
  const client = new Client({ ...optionsFrom(env), retries: 0 });
  client.clearCache();
  if (call === "token") return (await client.getAccessToken()).length > 0;
  if (call === "integration") return client.getIntegrationCredential(name);
  return (await client.getProjectEnvVars()).toDict();
};

/** What comes of a question, told as the original's driver tells it. */
export const told = async (asked) => {
  try {
    return { value: await outcomeOf(asked) };
  } catch (error) {
    return { error: classes[error.name] ?? error.name, text: error.message, own: error instanceof WorkloadIdentityError };
  }
};
