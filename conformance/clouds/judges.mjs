// An agent gets credentials of AWS by `withStsCredential`, with no key of AWS anywhere: moto's STS gives them, boto3 works with them, and PyJWT verifies what Legate showed.
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { AgentContext, LegateClient, withStsCredential } from "../../packages/sdk/dist/index.js";

/** The server may ask a cloud that is on this machine. */
export const settings = { LEGATE_EGRESS_ALLOW: "127.0.0.1" };

const freePort = async () => {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
};

const answers = async (url) => {
  for (let tries = 0; tries < 200; tries += 1) {
    if (
      await fetch(url).then(
        (answer) => answer.ok,
        () => false,
      )
    )
      return true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
};

export default async function* judges({ server, python, folder }) {
  const port = await freePort();
  const stsEndpoint = `http://127.0.0.1:${port}/`;
  const sts = python.start([join(folder, "moto_sts.py")], { env: { STS_PORT: String(port) } });
  try {
    if (!(await answers(`${stsEndpoint}shown`))) throw new Error("moto's STS did not start.");
    const roleArn = "arn:aws:iam::123456789012:role/reader";
    await server.ask("POST", "/v1/roles", { name: "aws-reader", cloud: { provider: "aws", roleArn, stsEndpoint } });
    const agent = await server.ask("POST", "/v1/agents", { name: "reads-aws", roleArn: "aws-reader" });
    await server.ask("POST", "/v1/credential-providers", { name: "aws", type: "sts", roleArn: "aws-reader" });
    const { apiKey } = await server.ask("POST", `/v1/agents/${agent.id}/keys`, {});

    const client = new LegateClient({ url: server.url, agentKey: apiKey });
    const options = { client, provider: "aws", durationSeconds: 900, sessionName: "nightly" };
    const credentialOf = withStsCredential(options, ({ stsCredential }) => stsCredential);
    const given = await AgentContext.run({ userId: "alice" }, () => Promise.all([credentialOf(), credentialOf()]));
    const [credential] = given;
    yield {
      name: "moto's STS gives credentials for the token that boto3 works with, and PyJWT verifies it by the published keys",
      passed:
        given.every(({ accessKeySecret }) => accessKeySecret === credential.accessKeySecret) &&
        (await python.run([join(folder, "judge.py")], {
          env: {
            LEGATE_TEST_URL: server.url,
            LEGATE_TEST_AGENT_ID: agent.id,
            STS_URL: stsEndpoint,
            ROLE_ARN: roleArn,
            CREDENTIALS: JSON.stringify(credential),
          },
          seconds: 60,
        })),
    };

    const { items } = await server.ask("GET", "/v1/audit-events?action=role.assumed");
    const record = JSON.stringify(items);
    yield {
      name: "the record tells of the role, the session and its end, and holds no secret",
      passed:
        items.length === 1 &&
        items[0].details.session === "nightly" &&
        items[0].details.role === roleArn &&
        !record.includes(credential.accessKeySecret) &&
        !record.includes(credential.securityToken) &&
        !record.includes("eyJ"),
    };
  } finally {
    sts.stdin.end();
    await once(sts, "close");
  }
}
