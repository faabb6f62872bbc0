import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { systemRandom } from "../../ground/kernel/index.ts";
import { makeHttp, makeLog } from "./index.ts";

test("a request becomes a server span named by its route, in the caller's trace, without URL or headers", async () => {
  const received: string[] = [];
  const collector = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on("end", () => {
      received.push(`${request.url} ${body}`);
      response.setHeader("content-type", "application/json").end("{}");
    });
  });
  await new Promise<void>((resolve) => {
    collector.listen(0, "127.0.0.1", resolve);
  });
  const { port } = collector.address() as AddressInfo;
  const http = await makeHttp(
    {
      host: "127.0.0.1",
      port: 0,
      publicUrl: "http://127.0.0.1",
      trustedProxies: [],
      corsOrigins: [],
      telemetry: { endpoint: `http://127.0.0.1:${port}`, serviceName: "legate-under-test" },
    },
    { log: makeLog("silent"), random: systemRandom, ping: () => Promise.resolve() },
  );
  http.app.get("/things/:name", () => ({}));
  const trace = "0af7651916cd43dd8448eb211c80319c";
  const answer = await http.app.inject({
    url: "/things/private-name?code=private-code",
    headers: { traceparent: `00-${trace}-b7ad6b7169203331-01`, authorization: "Bearer private-key" },
  });
  await http.close();
  await new Promise((resolve) => {
    collector.close(resolve);
  });

  const all = received.join("\n");
  expect(all).toMatch(/^\/v1\/traces /);
  for (const part of ["GET /things/:name", trace, "legate-under-test", answer.headers["x-request-id"] as string])
    expect(all).toContain(part);
  expect(all).not.toContain("private");
});
