import { AgentContext, withAccessToken, withApiKey } from "@legate/sdk";

// Where Legate is and whose key to use stand in LEGATE_URL and LEGATE_AGENT_KEY.
const forecast = withApiKey({ provider: "weather" }, async ({ apiKey, city }: { apiKey: string; city: string }) => {
  return `would ask for ${city} with an API key of ${apiKey.length} characters`;
});

const whoAmI = withAccessToken(
  { provider: "practice", onAuthUrl: (url) => console.log(`Open this link and allow access: ${url}`) },
  async ({ accessToken }: { accessToken: string }) => {
    const answer = await fetch(`${process.env.PRACTICE}/api/me`, { headers: { authorization: `Bearer ${accessToken}` } });
    return answer.json();
  },
);

await AgentContext.run({ userId: process.argv[2] ?? "alice" }, async () => {
  console.log(await forecast({ city: "Oslo" }));
  console.log(await whoAmI());
});
