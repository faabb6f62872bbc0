import { createServer } from "node:https";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Compiled, codeBlocks, commentBlocks, openCompiler } from "../testing/compiled.ts";
import { FakeAlibaba } from "../testing/fake-alibaba.ts";
import { hasOpenssl, makeCertificate } from "../testing/localhost-certificate.ts";
import { startProxy } from "../testing/proxy.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const guide = readFileSync(here("../../../../docs/guides/from-python-to-typescript.md"), "utf8");
const programs = codeBlocks(guide);
/** What each program prints, as the guide shows it after the program. */
const shown = [...guide.matchAll(/^```ts\n.*?^```\n+(?:```text\n(.*?)^```)?/gms)].map((match) => match[1]);
const comments = ["client", "wrappers"].flatMap((name) => commentBlocks(readFileSync(here(`./${name}.ts`), "utf8")));
/** A request past everything that a test process has set up. */
const probe = `
import { IdentityClient } from "@legate/sdk/alibaba";
console.log(await new IdentityClient({ workloadName: "mail" }).getWorkloadAccessToken().then(() => "served", (error) => error.reason));
`;

let compiler: Awaited<ReturnType<typeof openCompiler>>;
let compiled: Compiled;
let fake: FakeAlibaba;
beforeAll(async () => {
  compiler = await openCompiler();
  fake = await FakeAlibaba.start();
  compiled = await compiler.compile("alibaba", [...programs, ...comments, probe]);
}, 120_000);
afterAll(async () => {
  await fake.stop();
  await compiler.close();
});

const environment = (more: Record<string, string> = {}) => ({
  AGENT_IDENTITY_ENDPOINT: fake.url,
  AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME: "mail",
  ALIBABA_CLOUD_ACCESS_KEY_ID: "ak_1",
  ALIBABA_CLOUD_ACCESS_KEY_SECRET: "secret-of-ak_1",
  ...more,
});

describe("the guide from Python", { timeout: 60_000 }, () => {
  it("has programs that compile, as those in the comments do", () => {
    expect(compiled).toMatchObject({ stdout: "", failed: false });
    expect([programs.length, comments.length]).toEqual([6, 2]);
    expect(shown).toHaveLength(programs.length);
  });

  it.each(programs.map((_, at) => at))("shows what its program %i prints", async (at) => {
    fake.consent = "granted";
    fake.on("GetResourceOAuth2Token", ({ params }) => {
      fake.consent = params.OAuth2Flow === "M2M" ? "not-needed" : "granted";
      return undefined;
    });
    const { stdout, stderr } = await compiled.run(
      at,
      environment(programs[at]?.includes("localWorkload") ? { AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME: "" } : {}),
    );
    expect(stderr).toBe("");
    expect(stdout.replaceAll(fake.url, "https://legate.example.com")).toBe(shown[at]);
  });

  it("names every variable that is read", () => {
    const source = readFileSync(here("./environment.ts"), "utf8");
    for (const [, name = ""] of source.matchAll(/"(AGENT_IDENTITY_[A-Z_]+)"/g))
      expect(guide).toContain(name.replace(/^AGENT_IDENTITY_(DATA|RAM|STS)(_ENDPOINT)$/, "_$1$2"));
  });
});

describe.skipIf(!hasOpenssl)(`authorities of NODE_EXTRA_CA_CERTS${hasOpenssl ? "" : " (openssl: none found)"}`, () => {
  it("are trusted, with a proxy and without; others are not", async () => {
    const folder = mkdtempSync(join(tmpdir(), "legate-ca-"));
    const { certFile, ...pair } = makeCertificate(folder);
    const answer = JSON.stringify({ WorkloadAccessToken: "wat", RequestId: "r" });
    const server = createServer(pair, (_, response) => response.end(answer));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const proxy = await startProxy();
    const last = programs.length + comments.length;
    const said = async (more: Record<string, string>, host = "localhost") => {
      const endpoint = `https://${host}:${(server.address() as AddressInfo).port}`;
      return (await compiled.run(last, environment({ AGENT_IDENTITY_ENDPOINT: endpoint, ...more }))).stdout.trim();
    };
    const trusted = { NODE_EXTRA_CA_CERTS: certFile };
    expect(await said(trusted)).toBe("served");
    expect(await said({})).toMatch(/SELF_SIGNED|VERIFY|UNABLE/);
    expect(proxy.asked).toEqual([]);
    expect(await said({ ...trusted, HTTPS_PROXY: proxy.url() })).toBe("served");
    expect(proxy.asked).toEqual([`CONNECT localhost:${(server.address() as AddressInfo).port}`]);
    expect(await said({ HTTPS_PROXY: proxy.url() })).toMatch(/SELF_SIGNED|VERIFY|UNABLE/);
    expect(await said({ ...trusted, HTTPS_PROXY: proxy.url(), NO_PROXY: "localhost" })).toBe("served");
    expect(proxy.asked).toHaveLength(2);
    expect(await said({ ...trusted, HTTPS_PROXY: proxy.url() }, "elsewhere.test")).toBe("ERR_TLS_CERT_ALTNAME_INVALID");
    await proxy.stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true });
  }, 60_000);
});
