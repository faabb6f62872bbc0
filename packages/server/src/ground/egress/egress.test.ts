import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer as createTcpServer } from "node:net";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Refusal } from "../kernel/index.ts";
import { type Egress, EgressBlocked, EgressFailed, type EgressLimits, makeEgress } from "./index.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  vi.unstubAllEnvs();
});

const listening = async (server: Server, host = "127.0.0.1", port = 0): Promise<number> => {
  server.listen(port, host);
  await once(server, "listening");
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
};

const serve = (answer: RequestListener, host?: string, port?: number) => listening(createServer(answer), host, port);

const open = (allow: readonly string[], parts: { names?: Record<string, string[][]>; limits?: Partial<EgressLimits> } = {}) => {
  const lookups: string[] = [];
  const lookup = async (hostname: string) => {
    lookups.push(hostname);
    const answers = parts.names?.[hostname];
    // Each look-up takes the next answer; the last one stays.
    const addresses = (answers && answers.length > 1 ? answers.shift() : answers?.[0]) ?? [];
    return addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
  };
  const egress = makeEgress({ allow }, { lookup, ...(parts.limits && { limits: parts.limits }) });
  closers.push(() => egress.close());
  return { egress, lookups };
};

const whyBlocked = async (egress: Egress, url: string): Promise<string> => {
  const problem = await egress.fetch(url).then(
    () => new Error("it was let through"),
    (thrown: Error) => thrown,
  );
  return problem instanceof EgressBlocked ? problem.reason : `${problem.name}: ${problem.message}`;
};

const words = (text: string): string[] => text.trim().split(/\s+/);

const privateAddresses = words(`
  0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1
  172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1 192.168.0.1 192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.7
  203.0.113.7 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1
  ::ffff:a9fe:a9fe 0:0:0:0:0:ffff:7f00:1 ::ffff:0:127.0.0.1 64:ff9b::127.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b:1::1
  64:ff9b::1:127.0.0.1 100::1 2001::1 2001:10::1 2001:20::1 2001:1ff:ffff::1 2001:db8::1 2002:7f00:1:: 2002:a00:1::1
  2002:a9fe:a9fe::1 3fff::1 5f00::1 fc00::1 fd12:3456:789a::1 fe80::1 febf::1 fec0::1 feff::1 ff02::1 ff0e::1 4000::1
  8000::1`);
const publicAddresses = words(`
  1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 169.253.255.255
  172.15.255.255 172.32.0.0 192.0.1.1 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255
  2606:4700::1111 2001:4860:4860::8888 2001:200::1 2a00:1450::1 ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2002:808:808::1`);
const literal = (address: string) => (address.includes(":") ? `[${address}]` : address);

describe("an address that is not public", () => {
  test.each(privateAddresses)("%s is refused: configured, asked for, and behind a name", async (address) => {
    const { egress } = open([], { names: { "name.example": [[address]] } });
    const url = `https://${literal(address)}/x`;
    expect(() => egress.checkUrl(url)).toThrow(Refusal);
    expect(await whyBlocked(egress, url)).toBe("address");
    expect(await whyBlocked(egress, "https://name.example/")).toBe("address");
    const told = await egress.fetch("https://name.example/").catch(String);
    expect(told).toMatch(/name\.example is not at a public address/);
    expect(told).not.toContain(address);
  });

  test.each(publicAddresses)("%s is public", (address) => {
    const { egress } = open([]);
    expect(() => egress.checkUrl(`https://${literal(address)}/x`)).not.toThrow();
  });

  test.each(
    words(`
  2130706433 0x7f000001 0x7f.1 0177.0.0.1 017700000001 127.1 127.0.1 0x7f.0.0.0x1 127.0.0.1. 0 0x0 %31%32%37.0.0.1
  127。0。0。1 １２７.0.0.1 ①②⑦.0.0.1 2852039166 0xa9fea9fe 0251.0376.0251.0376`),
  )("the spelling %s is refused", async (host) => {
    const { egress } = open([]);
    expect(() => egress.checkUrl(`https://${host}/`)).toThrow(/not a public address/);
    expect(await whyBlocked(egress, `https://${host}/`)).toBe("address");
  });

  test("one with a zone id is refused, in the URL and behind a name", async () => {
    const { egress } = open(["fe80::/10"], { names: { "zone.example": [["fe80::1%lo"]] } });
    expect(await whyBlocked(egress, "https://[fe80::1%25lo]/")).toBe("malformed");
    expect(await whyBlocked(egress, "https://zone.example/")).toBe("address");
  });

  test("one among public ones is enough to refuse the name", async () => {
    const { egress } = open([], { names: { "mixed.example": [["8.8.8.8", "10.0.0.1"]] } });
    expect(await whyBlocked(egress, "https://mixed.example/")).toBe("address");
  });
});

describe("a name that changes its meaning", () => {
  test("is looked up once for a connection, and the checked address is the one connected to", async () => {
    const hits: string[] = [];
    const port = await serve((_, response) => {
      hits.push("first");
      response.setHeader("connection", "close").end("first");
    });
    await serve(
      (_, response) => {
        hits.push("second");
        response.end("second");
      },
      "127.0.0.2",
      port,
    );
    const { egress, lookups } = open(["127.0.0.1"], { names: { "rebind.example": [["127.0.0.1"], ["127.0.0.2"]] } });

    const answer = await egress.fetch(`http://rebind.example:${port}/`);
    expect(await answer.text()).toBe("first");
    expect(lookups).toEqual(["rebind.example"]);

    expect(await whyBlocked(egress, `http://rebind.example:${port}/`)).toBe("address");
    expect(hits).toEqual(["first"]);
    expect(lookups).toHaveLength(2);
  });

  test("sends the name it was asked for as Host, whatever it resolves to", async () => {
    const port = await serve((request, response) => response.end(request.headers.host));
    const { egress } = open(["127.0.0.1"], { names: { "issuer.example": [["127.0.0.1"]] } });
    expect(await (await egress.fetch(`http://issuer.example:${port}/`)).text()).toBe(`issuer.example:${port}`);
  });
});

describe("the scheme and the form of a URL", () => {
  test.each([
    ["file:///etc/passwd", "scheme"],
    ["ftp://example.org/", "scheme"],
    ["data:application/json,{}", "scheme"],
    ["blob:https://example.org/1", "scheme"],
    ["javascript:1", "scheme"],
    ["ws://example.org/", "scheme"],
    ["http://example.org/", "scheme"],
    ["http://8.8.8.8/", "scheme"],
    ["https://user@example.org/", "credentials"],
    ["https://user:hunter2@example.org/", "credentials"],
    ["https://:hunter2@example.org/", "credentials"],
    ["/relative", "malformed"],
    ["https://", "malformed"],
    ["", "malformed"],
    ["https://1.2.3.4.5/", "malformed"],
  ])("%s is refused (%s)", async (url, reason) => {
    const { egress, lookups } = open([]);
    expect(() => egress.checkUrl(url)).toThrow(expect.objectContaining({ code: "invalid_request", details: { reason } }));
    expect(await whyBlocked(egress, url)).toBe(reason);
    expect(lookups).toEqual([]);
  });

  test("https is left to the name, http to names and addresses that are allowed", async () => {
    const { egress } = open(["Issuer.Internal", "127.0.0.0/8"], { names: { "public.example": [["8.8.8.8"]] } });
    for (const url of ["https://example.org/", "http://issuer.internal/", "http://127.0.0.9/", "http://perhaps.example/"]) {
      expect(() => egress.checkUrl(url)).not.toThrow();
    }
    expect(await whyBlocked(egress, "http://public.example/")).toBe("scheme");
  });
});

describe("what the operator allows", () => {
  const hello: RequestListener = (_, response) => response.end("hello");
  const names = { "inner.example": [["127.0.0.1"]], "other.example": [["127.0.0.1"]] };

  test.each([
    ["an address", "127.0.0.1"],
    ["a network", "127.0.0.0/8"],
    ["a mapped address", "::ffff:127.0.0.1"],
    ["a name, in any case and with the root's dot", "INNER.example."],
  ])("%s can be reached by http", async (_, entry) => {
    const port = await serve(hello);
    const { egress } = open([entry], { names });
    expect(await (await egress.fetch(`http://inner.example:${port}/`)).text()).toBe("hello");
  });

  test("a name opens neither another name of the same address nor the address", async () => {
    const port = await serve(hello);
    const { egress } = open(["inner.example"], { names });
    expect(await whyBlocked(egress, `https://other.example:${port}/`)).toBe("address");
    expect(await whyBlocked(egress, `http://127.0.0.1:${port}/`)).toBe("address");
    expect(await whyBlocked(egress, `https://sub.inner.example:${port}/`)).toMatch(/ENOTFOUND/);
  });

  test("a network opens nothing beside it", async () => {
    const { egress } = open(["10.1.0.0/16", "fd00:1::/32"]);
    for (const url of ["http://10.1.2.3/", "https://[fd00:1::9]/", "https://[::ffff:10.1.2.3]/"])
      expect(() => egress.checkUrl(url)).not.toThrow();
    for (const url of ["https://10.2.0.1/", "https://[fd00:2::9]/", "https://[2002:a01:203::1]/"]) {
      expect(() => egress.checkUrl(url)).toThrow(/not a public address/);
    }
  });

  test.each([
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "10.0.0/8",
    "::/129",
    "::ffff:10.0.0.0/104",
    "*",
    "*.example",
    "a b",
    "",
    "a:80",
    "1.2",
    "-a",
  ])("the entry %j is refused at the start", (entry) => {
    expect(() => makeEgress({ allow: [entry] })).toThrow(TypeError);
  });
});

describe("a redirect", () => {
  const both = async (answer: RequestListener, allow = ["127.0.0.1"]) => {
    const port = await serve(answer);
    return { url: `http://127.0.0.1:${port}`, ...open(allow, { names: { "other.example": [["127.0.0.1"]] } }) };
  };

  test.each(["http://127.0.0.2/", "https://169.254.169.254/latest/meta-data/", "https://[::1]/", "//10.0.0.1/"])(
    "to %s is refused",
    async (location) => {
      const { url, egress } = await both((_, response) => response.writeHead(302, { location }).end());
      expect(await whyBlocked(egress, url)).toBe("address");
    },
  );

  test.each(["file:///etc/passwd", "http://8.8.8.8/"])("to %s is refused", async (location) => {
    const { url, egress } = await both((_, response) => response.writeHead(302, { location }).end());
    expect(await whyBlocked(egress, url)).toBe("scheme");
  });

  test("is followed three times, not four", async () => {
    const { url, egress } = await both((request, response) => {
      const left = Number(request.url?.slice(1));
      if (left === 0) response.end("there");
      else response.writeHead(307, { location: `/${left - 1}` }).end("not there yet");
    });
    expect(await (await egress.fetch(`${url}/3`)).text()).toBe("there");
    await expect(egress.fetch(`${url}/4`)).rejects.toMatchObject({ name: "EgressFailed", reason: "redirect" });
  });

  test("takes no credential to another origin, and every header within its own", async () => {
    const seen: Record<string, unknown>[] = [];
    const { url, egress } = await both((request, response) => {
      seen.push(request.headers);
      const port = (request.socket.address() as AddressInfo).port;
      if (request.url === "/same") response.writeHead(302, { location: "/away" }).end();
      else if (request.url === "/away") response.writeHead(302, { location: `http://other.example:${port}/end` }).end();
      else response.end();
    });
    const headers = { authorization: "Bearer canary", cookie: "a=canary", "x-api-key": "canary", accept: "application/json" };
    await egress.fetch(`${url}/same`, { headers });
    expect(seen).toHaveLength(3);
    expect(seen[1]).toMatchObject(headers);
    expect(seen[2]).toMatchObject({ accept: "application/json" });
    expect(JSON.stringify(seen[2])).not.toContain("canary");
  });

  test("of a POST is an error, and nothing is sent to where it points", async () => {
    const hits: string[] = [];
    const { url, egress } = await both((request, response) => {
      hits.push(`${request.method} ${request.url}`);
      response.writeHead(request.url === "/" ? 307 : 200, { location: "/there" }).end();
    });
    for (const redirect of ["follow", "manual"] as const) {
      await expect(egress.fetch(url, { method: "POST", body: "secret", redirect })).rejects.toMatchObject({ reason: "redirect" });
    }
    expect(hits).toEqual(["POST /", "POST /"]);
  });

  test("comes back as it is where the caller says manual, and is an error where it says error", async () => {
    const { url, egress } = await both((_, response) => response.writeHead(302, { location: "/there" }).end());
    const answer = await egress.fetch(url, { redirect: "manual" });
    expect([answer.status, answer.headers.get("location")]).toEqual([302, "/there"]);
    await expect(egress.fetch(url, { redirect: "error" })).rejects.toMatchObject({ reason: "redirect" });
  });
});

describe("an answer", () => {
  const local = async (answer: RequestListener, limits: Partial<EgressLimits> = {}) => {
    const port = await serve(answer);
    return { url: `http://127.0.0.1:${port}`, ...open(["127.0.0.1"], { limits }) };
  };

  test("comes back whole: status, headers, body, for every method", async () => {
    const { url, egress } = await local((request, response) => {
      let body = "";
      request.on("data", (chunk) => (body += chunk));
      request.on("end", () => response.writeHead(418, { "x-seen": `${request.method} ${body}` }).end("{}"));
    });
    const answer = await egress.fetch(new URL(url), { method: "POST", body: new URLSearchParams({ a: "b" }) });
    expect(answer).toBeInstanceOf(Response);
    expect([answer.status, answer.headers.get("x-seen"), await answer.json()]).toEqual([418, "POST a=b", {}]);
    expect((await egress.fetch(url, { method: "HEAD" })).status).toBe(418);
  });

  test("without a body may have none", async () => {
    const { url, egress } = await local((_, response) => response.writeHead(204).end());
    expect((await egress.fetch(url)).status).toBe(204);
  });

  test("of just the largest size passes, one byte more does not", async () => {
    const { url, egress } = await local((request, response) => response.end(Buffer.alloc(Number(request.url?.slice(1)))), {
      bodyBytes: 1000,
    });
    expect((await (await egress.fetch(`${url}/1000`)).arrayBuffer()).byteLength).toBe(1000);
    await expect(egress.fetch(`${url}/1001`)).rejects.toMatchObject({ name: "EgressFailed", reason: "too_large" });
  });

  test("without end is cut at the size limit", async () => {
    let sent = 0;
    const { url, egress } = await local((_, response) => {
      const chunk = Buffer.alloc(65_536);
      const more = () => {
        while (!response.destroyed && response.write(chunk)) sent += chunk.length;
      };
      response.on("drain", more);
      more();
    });
    await expect(egress.fetch(url)).rejects.toMatchObject({ reason: "too_large" });
    expect(sent).toBeLessThan(64 * 1_048_576);
  });

  test("is measured after decompression, and a gzip bomb does not fill the memory", async () => {
    const bomb = gzipSync(Buffer.alloc(256 * 1_048_576));
    expect(bomb.length).toBeLessThan(300_000);
    const { url, egress } = await local((_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(bomb));
    const before = process.memoryUsage().rss;
    await expect(egress.fetch(url)).rejects.toMatchObject({ reason: "too_large" });
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1_048_576);
  });

  test("small and compressed is read", async () => {
    const { url, egress } = await local((_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync("hello")));
    expect(await (await egress.fetch(url)).text()).toBe("hello");
  });

  test("with too large headers is refused", async () => {
    const { url, egress } = await local((_, response) => response.writeHead(200, { "x-large": "a".repeat(20_000) }).end());
    await expect(egress.fetch(url)).rejects.toMatchObject({ reason: "too_large" });
  });

  test("that trickles is cut at the total time", async () => {
    const { url, egress } = await local(
      (_, response) => {
        const drip = setInterval(() => response.write("a"), 20);
        response.on("close", () => clearInterval(drip));
      },
      { totalMs: 300 },
    );
    const begun = performance.now();
    await expect(egress.fetch(url)).rejects.toMatchObject({ name: "EgressFailed", reason: "timeout" });
    expect(performance.now() - begun).toBeLessThan(2_000);
  });

  test("that never begins is cut at the total time", async () => {
    const { url, egress } = await local(() => {}, { totalMs: 200 });
    await expect(egress.fetch(url)).rejects.toMatchObject({ reason: "timeout" });
  });

  test("may be held tighter by the caller, and never looser", async () => {
    const { url, egress } = await local((request, response) => void (request.url === "/never" || response.end("a".repeat(1_000))), {
      bodyBytes: 500,
      totalMs: 200,
    });
    await expect(egress.fetch(url, {}, { bodyBytes: 2_000 })).rejects.toMatchObject({ reason: "too_large" });
    await expect(egress.fetch(`${url}/never`, {}, { totalMs: 60_000 })).rejects.toMatchObject({ reason: "timeout" });
    const roomy = await local((request, response) => void (request.url === "/never" || response.end("a".repeat(1_000))), {});
    expect((await roomy.egress.fetch(roomy.url, {}, { bodyBytes: 1_000 })).status).toBe(200);
    await expect(roomy.egress.fetch(roomy.url, {}, { bodyBytes: 999 })).rejects.toMatchObject({ reason: "too_large" });
    await expect(roomy.egress.fetch(`${roomy.url}/never`, {}, { totalMs: 100 })).rejects.toMatchObject({ reason: "timeout" });
  });

  test("is cut by the caller's signal, with the signal's reason", async () => {
    const { url, egress } = await local(() => {});
    const ours = new Error("enough");
    const stop = new AbortController();
    setTimeout(() => stop.abort(ours), 50);
    await expect(egress.fetch(url, { signal: stop.signal })).rejects.toBe(ours);
    await expect(egress.fetch(url, { signal: stop.signal })).rejects.toBe(ours);
  });

  test("that is not HTTP is a failure", async () => {
    const server = createTcpServer((socket) => socket.end("SSH-2.0-secretbanner\r\n"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    closers.push(() => server.close());
    const { egress } = open(["127.0.0.1"]);
    const { port } = server.address() as AddressInfo;
    for (const scheme of ["http", "https"]) {
      const problem = await egress.fetch(`${scheme}://127.0.0.1:${port}/`).catch((thrown: unknown) => thrown);
      expect(problem).toBeInstanceOf(EgressFailed);
      expect(problem).toMatchObject({ reason: "network" });
      expect((problem as Error).cause).toBeUndefined();
      expect(String(problem)).not.toContain("secretbanner");
    }
  });
});

test("a look-up that never ends is cut at the total time", async () => {
  const egress = makeEgress({ allow: [] }, { lookup: () => new Promise(() => {}), limits: { totalMs: 100 } });
  await expect(egress.fetch("https://slow.example/")).rejects.toMatchObject({ reason: "timeout" });
});

test("no message tells path, query, credentials or header values", async () => {
  const port = await serve((request, response) => {
    if (request.url?.startsWith("/redirect")) response.writeHead(302, { location: "https://10.0.0.1/canary?canary" }).end();
    else response.destroy();
  });
  const { egress } = open(["127.0.0.1"], { names: {} });
  const asks: [string, RequestInit?][] = [
    [`http://127.0.0.1:${port}/canary?token=canary`],
    [`http://127.0.0.1:${port}/redirect/canary?token=canary`],
    [`http://127.0.0.1:${port}/redirect/canary?token=canary`, { method: "POST" }],
    [`http://127.0.0.1:${port}/`, { headers: { authorization: "canary\n" } }],
    ["https://canary:canary@example.org/canary"],
    ["https://nowhere.example/canary?canary"],
    ["https://10.0.0.1/canary?canary"],
    ["canary"],
  ];
  for (const [url, init] of asks) {
    const problem = await egress.fetch(url, init).catch((thrown: unknown) => thrown);
    expect(problem instanceof EgressBlocked || problem instanceof EgressFailed).toBe(true);
    expect(`${String(problem)} ${JSON.stringify(problem)}`).not.toContain("canary");
  }
});

test("a proxy named in the environment is not used", async () => {
  let proxied = 0;
  const proxy = await serve((_, response) => {
    proxied += 1;
    response.end("proxy");
  });
  for (const name of ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"]) vi.stubEnv(name, `http://127.0.0.1:${proxy}`);
  vi.stubEnv("NODE_USE_ENV_PROXY", "1");
  const port = await serve((_, response) => response.end("direct"));
  const { egress } = open(["127.0.0.1"]);
  expect(await (await egress.fetch(`http://127.0.0.1:${port}/`)).text()).toBe("direct");
  expect(proxied).toBe(0);
});

test("after close nothing begins", async () => {
  const port = await serve((_, response) => response.end("hello"));
  const { egress } = open(["127.0.0.1"]);
  await egress.fetch(`http://127.0.0.1:${port}/`);
  await egress.close();
  await expect(egress.fetch(`http://127.0.0.1:${port}/`)).rejects.toBeInstanceOf(EgressFailed);
});

test("after close nothing begins, though nothing ever went out", async () => {
  let asked = 0;
  const port = await serve((_, response) => {
    asked += 1;
    response.end("hello");
  });
  const { egress } = open(["127.0.0.1"]);
  await egress.close();
  await expect(egress.fetch(`http://127.0.0.1:${port}/`)).rejects.toBeInstanceOf(EgressFailed);
  expect(asked).toBe(0);
});

test("requests that come first, all at once, are each answered", async () => {
  const port = await serve((request, response) => response.end(request.url));
  const { egress } = open(["127.0.0.1"]);
  const answers = await Promise.all(
    Array.from({ length: 50 }, async (_, n) => (await egress.fetch(`http://127.0.0.1:${port}/${n}`)).text()),
  );
  expect(answers).toEqual(Array.from({ length: 50 }, (_, n) => `/${n}`));
});
