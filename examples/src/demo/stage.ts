import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LegateClient } from "@legate/sdk";
import { startProvider, type TestProvider } from "@legate/server/testing/provider";
import { type Findings, makeAgent } from "./agent.ts";
import { startApp, type Visit } from "./app.ts";
import { startLegate } from "./legate.ts";

/** Everything that plays a part in the demo, running and registered. */
export interface Stage {
  /** The one link that a person opens. */
  readonly link: string;
  readonly legateUrl: string;
  readonly agentName: string;
  readonly provider: TestProvider;
  /** Legate, asked by its operator. */
  readonly admin: LegateClient;
  /** Another copy of the agent's program: it shares nothing with the others but the agent's key. */
  copyOfAgent(): () => Promise<Findings>;
  close(): Promise<void>;
}

interface StageOptions {
  readonly say: (text: string) => void;
  readonly onVisit: (visit: Visit) => void;
  /** Life of the provider's access tokens. */
  readonly accessTokenSeconds: number;
}

const secret = () => randomBytes(32).toString("base64url");

export const setStage = async ({ say, onVisit, accessTokenSeconds }: StageOptions): Promise<Stage> => {
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    for (let closer = closers.pop(); closer; closer = closers.pop()) await closer();
  };
  try {
    const folder = await mkdtemp(join(tmpdir(), "legate-demo-"));
    closers.push(() => rm(folder, { recursive: true, force: true }));
    const provider = await startProvider({ accessTokenSeconds, scopes: ["read"] });
    closers.push(() => provider.stop());
    say(`An OpenID provider runs at ${provider.url}. It stands for GitHub, Google or your company's login.`);
    const legate = await startLegate(join(folder, "data"));
    closers.push(() => legate.stop());
    say(`Legate runs at ${legate.url}, its data in a temporary folder.`);
    const app = await startApp();
    closers.push(() => app.stop());
    say(`A small web application runs at ${app.url}. Its users are the people the agent works for.`);

    const admin = new LegateClient({ url: legate.url, operatorKey: legate.adminKey });
    const login = { issuer: provider.issuer, clientId: "demo-app", clientSecret: secret(), redirectUri: app.loginCallbackUrl };
    provider.addClient({ client_id: login.clientId, client_secret: login.clientSecret, redirect_uris: [login.redirectUri] });

    await admin.issuers.create({ name: "company-login", discoveryUrl: provider.discoveryUrl, audiences: [login.clientId] });
    say("Registered a trusted issuer: Legate believes the provider's ID tokens, made for the application, about who a user is.");
    const agentName = "reading-assistant";
    await admin.agents.create({ name: agentName, issuer: "company-login", allowedReturnUrls: [app.consentCallbackUrl] });
    const { apiKey } = await admin.keys.create(agentName, { description: "demo" });
    say(`Registered the agent ${agentName} and gave it a key of its own.`);
    const client = { clientId: "legate", clientSecret: secret() };
    const registered = await admin.providers.create({
      name: "example",
      type: "oauth2",
      kind: "oidc",
      discoveryUrl: provider.discoveryUrl,
      ...client,
      scopes: ["openid", "read"],
    });
    for (const warning of registered.warnings ?? []) say(`Legate warns: ${warning}`);
    provider.addClient({
      client_id: client.clientId,
      client_secret: client.clientSecret,
      redirect_uris: [String(registered.callbackUrl)],
      grant_types: ["authorization_code", "refresh_token"],
    });
    say("Registered the credential provider example. Only Legate holds its client secret; the agent never sees it.");

    // Tokens are kept nowhere but in Legate, so that each call shows what Legate says at that moment.
    const agentClient = () => new LegateClient({ url: legate.url, agentKey: apiKey, cache: { accessTokenMs: 0 } });
    const copyOfAgent = () =>
      makeAgent({ client: agentClient(), callbackUrl: app.consentCallbackUrl, resourceUrl: `${provider.url}/api/me` });
    app.serve({ login, client: agentClient(), agent: copyOfAgent(), onVisit });
    return { link: `${app.url}/`, legateUrl: legate.url, agentName, provider, admin, copyOfAgent, close };
  } catch (error) {
    await close();
    throw error;
  }
};
