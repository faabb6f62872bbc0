import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const checks = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"];

/** Schemathesis asks every operation it may ask with one credential, as the server's own OpenAPI document describes it, well and badly. */
const schemathesis = async ({ server, python }, bearer, filter) => {
  // It leaves its database of examples where it stands.
  const cwd = mkdtempSync(join(tmpdir(), "legate-schemathesis-"));
  try {
    return await python.run(
      [
        "-m",
        "schemathesis.cli",
        "run",
        `${server.url}/v1/openapi.json`,
        "--no-color",
        `--checks=${checks.join(",")}`,
        "--phases=examples,coverage,fuzzing,stateful",
        "--mode=all",
        "--max-examples=40",
        "--generation-deterministic",
        "--request-timeout=15",
        "--warnings=off",
        `--header=Authorization: Bearer ${bearer}`,
        ...filter,
      ],
      { cwd, seconds: 420 },
    );
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
};

/** The judges of our own wire: schemathesis for its operations, PyJWT for its tokens. */
export default async function* judges(given) {
  const { server, python, folder } = given;
  const agent = await server.ask("POST", "/v1/agents", { name: "judged", description: "asks for tokens that the judges verify" });
  const { apiKey } = await server.ask("POST", `/v1/agents/${agent.id}/keys`, {});
  await server.ask("POST", "/v1/credential-providers", { name: "judged", type: "api_key", apiKey: "judged-api-key" });

  yield {
    name: "PyJWT verifies workload access tokens by the published keys",
    passed: await python.run([join(folder, "verify_wat.py")], {
      env: { LEGATE_TEST_URL: server.url, LEGATE_TEST_AGENT_KEY: apiKey, LEGATE_TEST_AGENT_ID: agent.id },
      seconds: 60,
    }),
  };

  const { token } = await server.ask("POST", "/v1/workload-tokens", { userId: "alice" }, apiKey);
  yield {
    name: "schemathesis, with a workload access token",
    passed: await schemathesis(given, token, ["--include-tag=Credentials", "--include-tag=Workload tokens"]),
  };
  // Last, since an operator may well suspend the agent.
  yield { name: "schemathesis, with the admin key", passed: await schemathesis(given, server.adminKey, []) };
}
