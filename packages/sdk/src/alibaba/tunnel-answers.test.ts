import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { fetchAsEnvironmentSays } from "./tunnel.ts";

let server: Server;
const sockets = new Set<Socket>();
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

/** A proxy that answers whatever it is asked with these bytes. */
const answering = async (bytes: string): Promise<typeof globalThis.fetch> => {
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("data", () => socket.end(Buffer.from(bytes, "latin1")));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return fetchAsEnvironmentSays(() => ({ http_proxy: proxy, https_proxy: proxy }));
};
const asked = async (bytes: string) => (await answering(bytes))("http://h.example/", { signal: AbortSignal.timeout(5_000) });

describe("an odd answer by way of a proxy fails that request, and nothing else of the process", () => {
  it.each(["600 Odd", "999 Odd", "000 Odd"])("of status %s", async (status) => {
    await expect(asked(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\n\r\n`)).rejects.toMatchObject({ code: "UNEXPECTED_STATUS" });
  });

  it("that changes to another protocol", async () => {
    const bytes = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    await expect(asked(bytes)).rejects.toMatchObject({ code: "UNEXPECTED_STATUS" });
  });

  it("that changes to another protocol when a tunnel is asked for", async () => {
    const fetch = await answering("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    await expect(fetch("https://h.example/", { signal: AbortSignal.timeout(5_000) })).rejects.toMatchObject({ code: "PROXY_REFUSED" });
  });

  it.each(["Bad\u0001Reason", "Sch\u00f6n", "a\u007f"])("is served though its reason is %j, which says nothing", async (reason) => {
    const answer = await asked(`HTTP/1.1 200 ${reason}\r\ncontent-length: 2\r\n\r\nok`).catch((error: unknown) => error);
    if (answer instanceof Response) expect([answer.status, answer.statusText, await answer.text()]).toEqual([200, "", "ok"]);
    // Some versions of Node refuse such a line themselves.
    else expect(answer).toMatchObject({ code: expect.stringMatching(/^HPE_/) as string });
  });

  it("that ends early", async () => {
    await expect(asked("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok")).rejects.toMatchObject({ code: "ECONNRESET" });
  });
});
