import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeAlibaba } from "../testing/fake-alibaba.ts";
import { hasOpenssl, makeCertificate } from "../testing/localhost-certificate.ts";
import { startProxy } from "../testing/proxy.ts";
import { ConnectionError, IdentityClient, withApiKey } from "./index.ts";
import { fetchAsEnvironmentSays } from "./tunnel.ts";

const withoutOpenssl = hasOpenssl ? "" : " (openssl: none found)";

let proxy: Awaited<ReturnType<typeof startProxy>>;
let fake: FakeAlibaba;
beforeEach(async () => {
  fake = await FakeAlibaba.start();
  proxy = await startProxy();
});
afterEach(async () => {
  await proxy.stop();
  await fake.stop();
});

const through = (variables: Record<string, string>) => fetchAsEnvironmentSays(() => variables);

describe("a request by way of the environment's proxy", () => {
  it("arrives whole, signature and all, and its answer comes back", async () => {
    const client = new IdentityClient({ ...fake.options, fetch: through({ http_proxy: proxy.url("us%65r:pa%2Fss@") }) });
    expect(await withApiKey({ client, provider: "search" }, ({ apiKey }) => apiKey)()).toBe("key/mail/-/role/search/-");
    const basic = `Basic ${Buffer.from("user:pa/ss").toString("base64")}`;
    expect(proxy.asked.map((line) => line.replace(/\?\S+/, ""))).toEqual(Array.from({ length: 3 }, () => `${fake.url}/ ${basic}`));
    await expect(client.createWorkloadIdentity({ workloadName: "mail" })).rejects.toMatchObject({ status: 409 });
  });

  it("goes past the proxy where NO_PROXY says so", async () => {
    const client = new IdentityClient({ ...fake.options, fetch: through({ http_proxy: proxy.url(), NO_PROXY: "127.0.0.1" }) });
    await client.getWorkloadAccessToken();
    expect(proxy.asked).toEqual([]);
  });

  it.skipIf(!hasOpenssl)(`of https is a tunnel to a server that proves itself, or nothing${withoutOpenssl}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "legate-tunnel-"));
    const server = createServer(makeCertificate(folder), (_, response) => response.end("never"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const host = `localhost:${(server.address() as AddressInfo).port}`;
    const options = { ...fake.options, endpoint: `https://${host}`, retries: 0, fetch: through({ HTTPS_PROXY: proxy.url("u:p@") }) };
    await expect(new IdentityClient(options).getWorkloadAccessToken()).rejects.toMatchObject({
      name: "LegateConnectionError",
      reason: expect.stringMatching(/SELF_SIGNED|VERIFY|UNABLE/) as string,
    });
    expect(proxy.asked).toEqual([`CONNECT ${host} Basic ${Buffer.from("u:p").toString("base64")}`]);
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true });
  });

  it.skipIf(!hasOpenssl)(
    `of https is over when its signal says so, though the tunnel is open and the server silent${withoutOpenssl}`,
    async () => {
      vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
      const folder = mkdtempSync(join(tmpdir(), "legate-tunnel-"));
      const ended = new AbortController();
      const server = createServer(makeCertificate(folder));
      const closed = new Promise((resolve) =>
        server.once("request", (request) => {
          request.socket.once("close", resolve);
          ended.abort(new Error("mine"));
        }),
      );
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const url = `https://localhost:${(server.address() as AddressInfo).port}/`;
      await expect(through({ https_proxy: proxy.url() })(url, { signal: ended.signal })).rejects.toThrow(/aborted|ended/);
      await closed;
      vi.unstubAllEnvs();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true });
    },
  );

  it("of http is over when its signal says so, though the server is silent", async () => {
    const ended = new AbortController();
    fake.on("GetWorkloadAccessToken", () => {
      ended.abort(new Error("mine"));
      return new Promise(() => undefined);
    });
    const fetch = through({ http_proxy: proxy.url() });
    let call: Promise<Response> | undefined;
    const kept: typeof fetch = (...given) => (call = fetch(...given));
    const client = new IdentityClient({ ...fake.options, retries: 0, fetch: kept });
    await expect(client.getWorkloadAccessToken({ signal: ended.signal })).rejects.toThrow("mine");
    await expect(call).rejects.toThrow(/aborted|ended/);
  });

  it("that the proxy refuses, or that is ended, fails with the reason", async () => {
    const fetch = through({ https_proxy: proxy.url(), http_proxy: "http://127.0.0.1:9" });
    const refused = new IdentityClient({ ...fake.options, endpoint: "https://refused", retries: 0, fetch });
    await expect(refused.getWorkloadAccessToken()).rejects.toMatchObject({ reason: "PROXY_REFUSED" });
    const nobody = new IdentityClient({ ...fake.options, retries: 0, fetch });
    await expect(nobody.getWorkloadAccessToken()).rejects.toBeInstanceOf(ConnectionError);
    await expect(fetch("http://h/", { signal: AbortSignal.abort(new Error("mine")) })).rejects.toThrow("mine");
  });

  it("has headers and status as any", async () => {
    const answer = await through({ http_proxy: proxy.url() })(fake.url, { method: "PUT", body: "x", headers: { a: "b" } });
    expect([answer.status, answer.headers.get("x-seen-host"), await answer.text()]).toEqual([
      405,
      new URL(fake.url).host,
      expect.stringContaining("UnsupportedHTTPMethod"),
    ]);
  });
});
