/**
 * An OpenID provider to practise with, on this machine only: it takes any name as a login, and forgets everything when it stops.
 * It listens on port 8701 unless PRACTICE_PORT says otherwise.
 */
import { createInterface } from "node:readline";
import { startProvider } from "@legate/server/testing/provider";

const print = (text: string) => process.stdout.write(`${text}\n`);
const client = {
  client_id: "legate",
  client_secret: "practice-secret",
  grant_types: ["authorization_code", "refresh_token", "client_credentials"],
};

const provider = await startProvider({ port: Number(process.env.PRACTICE_PORT || 8701), scopes: ["read"] });
print(`The practice provider listens on ${provider.url}`);
print(`  client id ${client.client_id}, client secret ${client.client_secret}, scopes openid and read`);
print("Paste the callbackUrl that Legate answers here, and press Enter. Ctrl-C stops the provider.");

const redirectUris: string[] = [];
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const uri = line.trim();
  if (uri === "") return;
  if (!URL.canParse(uri)) {
    print(`This is not a URL: ${uri}`);
    return;
  }
  redirectUris.push(uri);
  provider.addClient({ ...client, redirect_uris: [...redirectUris] });
  print(`Browsers may be sent back to ${uri}`);
});

const stop = () => {
  lines.close();
  void provider.stop();
};
process.once("SIGINT", stop);
process.once("SIGTERM", stop);
