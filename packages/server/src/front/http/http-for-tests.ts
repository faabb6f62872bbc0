import { connect } from "node:net";
import { Writable } from "node:stream";
import type { FastifyInstance } from "fastify";
import { expect } from "vitest";
import { Refusal, systemRandom } from "../../ground/kernel/index.ts";
import { addressOf, type Http, type HttpSettings, makeHttp, makeLog, readForm, readJson } from "./index.ts";

const settings: HttpSettings = { host: "127.0.0.1", port: 0, publicUrl: "http://127.0.0.1:8700", trustedProxies: [], corsOrigins: [] };
const opened: Http[] = [];
/** Closes what {@link open} opened. */
export const closeAll = async (): Promise<void> => {
  for (const http of opened.splice(0)) await http.close();
};

/** A server with one wire that reads JSON, one that reads forms, and a log that is kept. */
export const open = async (
  more: Partial<HttpSettings> = {},
  ping: () => Promise<unknown> = () => Promise.resolve(),
  parts: Partial<Parameters<typeof makeHttp>[1]> = {},
) => {
  const lines: string[] = [];
  const log = makeLog(
    "info",
    new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk));
        done();
      },
    }),
  );
  const http = await makeHttp({ ...settings, ...more }, { log, random: systemRandom, ping, ...parts });
  opened.push(http);
  const { app } = http;
  await app.register((scope: FastifyInstance, _options, done) => {
    readJson(scope);
    scope.post("/json/:name", { config: { operation: "echo" } }, (request) => ({ body: request.body, ip: addressOf(request) }));
    scope.get("/throws/:what", (request): never => {
      const { what } = request.params as { what: string };
      if (what === "unavailable") throw new Refusal("unavailable", "Not now.");
      throw new Error("broken with Bearer sk_0123456789abcdef and /callback?code=verysecret&state=alsosecret");
    });
    done();
  });
  await app.register((scope: FastifyInstance, _options, done) => {
    readForm(scope);
    scope.post("/form", (request) => ({ body: request.body }));
    done();
  });
  const json = (body: string | Buffer, headers: Record<string, string> = {}) =>
    app.inject({ method: "POST", url: "/json/x", headers: { "content-type": "application/json", ...headers }, payload: body });
  return { ...http, lines, json };
};

/** What a server answers to bytes that no HTTP client would send. */
export const raw = (address: string, bytes: string | Buffer, wait = 5_000): Promise<string> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(address);
    let answer = "";
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    socket.setTimeout(wait, () => socket.destroy());
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1");
    });
    socket.on("close", () => resolve(answer));
    socket.on("error", reject);
  });

/** What every refusal looks like. */
export const shape = {
  error: {
    code: expect.any(String) as string,
    message: expect.any(String) as string,
    requestId: expect.stringMatching(/^req_[0-9a-f]{32}$/) as string,
  },
};
