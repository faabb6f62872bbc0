import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { selfSigned } from "../../packages/server/src/testing/certificate.ts";
import { startProvider, type TestProvider } from "../../packages/server/src/testing/provider.ts";
import { eachStore } from "../../packages/server/src/testing/stores.ts";
import { call, must, type Running, startServer, storeIn } from "../operations/server.ts";

type Fields = Readonly<Record<string, unknown>>;

const resource = "https://files.example/";
const verifier = randomBytes(32).toString("base64url");
const codeChallenge = createHash("sha256").update(verifier, "ascii").digest("base64url");

/** A host of documents with a certificate of its own. */
const startHost = async (certificate: { readonly cert: string; readonly key: string }) => {
  const answers = new Map<string, RequestListener>();
  const asked: string[] = [];
  const server: Server = createServer(certificate, (request, response) => {
    asked.push(request.url ?? "");
    const answer = answers.get(request.url ?? "");
    if (answer) answer(request, response);
    else response.writeHead(404).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    asked,
    answers,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
};
type Host = Awaited<ReturnType<typeof startHost>>;

eachStore("a client that is known by its document, over the wire", (fresh) => {
  let folder: string;
  let host: Host;
  let untrusted: Host;
  let idp: TestProvider;
  let server: Running;
  let origin: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "legate-documents-"));
    const certificate = selfSigned("127.0.0.1", "localhost");
    writeFileSync(join(folder, "authority.pem"), certificate.cert);
    host = await startHost(certificate);
    untrusted = await startHost(selfSigned("127.0.0.1"));
    idp = await startProvider();
    origin = `https://127.0.0.1:${host.port}`;
    server = await startServer({
      ...storeIn(await fresh()),
      NODE_EXTRA_CA_CERTS: join(folder, "authority.pem"),
      LEGATE_PUBLIC_URL: undefined,
    });
    idp.addClient({
      client_id: "legate",
      client_secret: "legate-secret-at-the-issuer",
      redirect_uris: [`${server.url}/login/callback`],
      grant_types: ["authorization_code"],
      response_types: ["code"],
    });
    await must("POST", `${server.url}/v1/issuers`, {
      name: "idp",
      discoveryUrl: idp.discoveryUrl,
      audiences: ["us"],
      login: { clientId: "legate", clientSecret: "legate-secret-at-the-issuer" },
    });
    await must("POST", `${server.url}/v1/resources`, { name: "files", identifier: resource, clients: ["*"], scopes: [{ name: "read" }] });
    await must("POST", `${server.url}/v1/tenants`, { name: "acme" });
  });
  afterAll(async () => {
    await server.stop();
    await Promise.all([host.stop(), untrusted.stop(), idp.stop()]);
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    host.asked.length = 0;
    untrusted.asked.length = 0;
  });

  let at = 0;
  const newPath = () => `/client-${(at += 1)}.json`;
  const documentAt = (clientId: string, given: Fields = {}): Fields => ({
    client_id: clientId,
    client_name: "Your Bank",
    redirect_uris: [`${origin}/cb`],
    token_endpoint_auth_method: "none",
    ...given,
  });
  /** Puts a document somewhere, and answers its URL. */
  const put = (given: Fields = {}, path = newPath(), on = host, headers: Readonly<Record<string, string>> = {}): string => {
    const url = `https://127.0.0.1:${on.port}${path}`;
    on.answers.set(path, (_, response) => {
      response.writeHead(200, { "content-type": "application/json", ...headers }).end(JSON.stringify(documentAt(url, given)));
    });
    return url;
  };

  const open = (url: string, cookie = "") => fetch(url, { redirect: "manual", headers: cookie === "" ? {} : { cookie } });
  const authorize = (clientId: string, redirectUri: string, tenant = "") => {
    const query = new URLSearchParams({
      response_type: "code",
      client_id: clientId,
      redirect_uri: redirectUri,
      scope: "read",
      resource,
      state: "s",
      code_challenge: codeChallenge,
      code_challenge_method: "S256",
    });
    return open(`${server.url}${tenant}/oauth2/authorize?${query.toString()}`);
  };
  /** The consent page, once the person has logged in, and how it is answered. */
  const consentPage = async (clientId: string, redirectUri: string) => {
    const begun = await authorize(clientId, redirectUri);
    const cookie = begun.headers
      .getSetCookie()
      .map((line) => line.split(";")[0])
      .join("; ");
    const login = begun.headers.get("location") ?? "";
    expect(new URL(login).origin).toBe(idp.url);
    const back = await open(await idp.walk(login, "alice"), cookie);
    const url = new URL(back.headers.get("location") ?? "", server.url).href;
    const page = await (await open(url, cookie)).text();
    return {
      page,
      allow: async (): Promise<URL> => {
        const formToken = /name="formToken" value="([\w-]+)"/.exec(page)?.[1] ?? "";
        const body = new URLSearchParams({ formToken, decision: "allow" });
        const answer = await fetch(url, { method: "POST", body, redirect: "manual", headers: { cookie } });
        // After a form the browser goes on by a refresh.
        return new URL(answer.headers.get("location") ?? (answer.headers.get("refresh") ?? "").replace(/^0; url=/, ""));
      },
    };
  };
  /** Whether the authorization endpoint takes client and redirect URI: then it goes on to the login, and never anywhere else. */
  const isTaken = async (clientId: string, redirectUri = `${origin}/cb`): Promise<boolean> => {
    const answer = await authorize(clientId, redirectUri);
    await answer.arrayBuffer();
    const to = answer.headers.get("location") ?? answer.headers.get("refresh");
    if (to === null) {
      expect(answer.status).toBe(400);
      return false;
    }
    expect([answer.status, new URL(to).origin]).toEqual([303, idp.url]);
    return true;
  };
  const redeem = async (clientId: string, { code = "x", redirectUri = `${origin}/cb`, tenant = "" } = {}) => {
    const body = new URLSearchParams({
      grant_type: "authorization_code",
      code,
      client_id: clientId,
      redirect_uri: redirectUri,
      code_verifier: verifier,
    });
    const answer = await fetch(`${server.url}${tenant}/oauth2/token`, { method: "POST", body });
    return { status: answer.status, text: await answer.text(), retryAfter: answer.headers.get("retry-after") };
  };
  const reasonsOf = async (clientId: string): Promise<readonly unknown[]> => {
    const { json } = await call("GET", `${server.url}/v1/audit-events?action=client.refused&limit=500`);
    return (json["items"] as { target?: string; details: Fields }[]).flatMap(({ target, details }) =>
      target === clientId ? details["reason"] : [],
    );
  };

  test("is fetched over TLS, taken for what it says, and fetched once", async () => {
    const url = put();
    expect(await isTaken(url)).toBe(true);
    expect(await isTaken(url)).toBe(true);
    expect(await redeem(url)).toMatchObject({ status: 400, text: expect.stringContaining("invalid_grant") as string });
    expect(host.asked).toHaveLength(1);
  });

  test("a document that names another client makes neither of them a client", async () => {
    const bank = put();
    const other = put({ client_id: bank });
    const near = put({ client_id: bank.replace("127.0.0.1", "localhost") });
    for (const url of [other, near]) {
      expect(await isTaken(url)).toBe(false);
      expect(await redeem(url)).toMatchObject({ status: 401, text: expect.stringContaining("invalid_client") as string });
      expect(await reasonsOf(url)).toContain("document_client_id");
    }
    // At the other name of the same host it is another client, whom nothing vouches for.
    expect(await isTaken(bank.replace("127.0.0.1", "localhost"))).toBe(false);
    expect(await isTaken(bank)).toBe(true);
  });

  test("nobody is sent to an address that the document does not name, or may not name", async () => {
    const evil = "https://evil.example/cb";
    const url = put({ redirect_uris: [`${origin}/cb`, evil, "javascript:alert(1)", `${origin}@evil.example/`] });
    for (const uri of [evil, "javascript:alert(1)", `${origin}@evil.example/`, `${origin}/cb/`, `${origin}/cb?x`, `${origin}/`]) {
      expect(await isTaken(url, uri), uri).toBe(false);
    }
    expect(await isTaken(url)).toBe(true);
    expect(await isTaken(put({ redirect_uris: [evil] }), evil)).toBe(false);
  });

  describe("one that cannot be had is no client, whatever stands in the way", () => {
    test("another answer than 200, a redirect, another type, too much, nonsense, a secret, a client that would prove itself", async () => {
      const good = put();
      const cases: [string, string][] = [["document_status", `${origin}/nothing-here`]];
      const with_ = (reason: string, answer: RequestListener) => {
        const path = newPath();
        host.answers.set(path, answer);
        cases.push([reason, `${origin}${path}`]);
      };
      with_("document_redirect", (_, response) => response.writeHead(302, { location: good }).end());
      with_("document_content_type", (request, response) =>
        response.writeHead(200, { "content-type": "text/plain" }).end(JSON.stringify(documentAt(`${origin}${request.url}`))),
      );
      with_("document_malformed", (_, response) => response.writeHead(200, { "content-type": "application/json" }).end("{"));
      cases.push(["document_too_large", put({ note: "x".repeat(6_000) })]);
      cases.push(["document_secret", put({ client_secret: "x" })]);
      cases.push(["document_auth_method", put({ token_endpoint_auth_method: "private_key_jwt" })]);
      const answers = new Set<string>();
      for (const [reason, url] of cases) {
        expect(await isTaken(url), reason).toBe(false);
        answers.add(JSON.stringify(await redeem(url)));
        expect(await reasonsOf(url), reason).toContain(reason);
      }
      answers.add(JSON.stringify(await redeem(`agt_${"0".repeat(32)}`)));
      expect(answers.size).toBe(1);
      expect(host.asked).not.toContain(new URL(good).pathname);
    });

    test("a host whose certificate nobody vouches for, one by http, and one that the server may not reach", async () => {
      const unvouched = put({}, newPath(), untrusted);
      // A host that does not prove itself today may do so tomorrow.
      expect((await authorize(unvouched, `${origin}/cb`)).status).toBe(503);
      expect((await redeem(unvouched)).status).toBe(503);
      expect(untrusted.asked).toEqual([]);
      expect(await reasonsOf(unvouched)).toContain("document_network");
      for (const url of [
        "https://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/client",
        "https://[::1]/client",
        "https://0x0a000001/client",
      ]) {
        expect(await isTaken(url), url).toBe(false);
      }
      expect(await reasonsOf("https://169.254.169.254/latest/meta-data/")).toContain("document_blocked_address");
      const plain = put().replace("https:", "http:");
      expect(await isTaken(plain)).toBe(false);
      for (const url of [
        `${origin}/a/../client.json`,
        `${origin}/%2e%2e/client.json`,
        `${origin}/client.json#x`,
        `https://a@127.0.0.1:${host.port}/client.json`,
      ]) {
        expect(await isTaken(url), url).toBe(false);
      }
      expect(host.asked).toEqual([]);
    });
  });

  test("a document that turns bad or hostile changes nothing while the good one is fresh, and a bad one is not kept", async () => {
    const path = newPath();
    const evil = "https://evil.example/cb";
    const url = put({}, path, host, { "cache-control": "max-age=3600" });
    expect(await isTaken(url)).toBe(true);
    put({ redirect_uris: [evil, `${origin}/other`], client_name: "Another" }, path);
    for (const uri of [evil, `${origin}/other`]) expect(await isTaken(url, uri)).toBe(false);
    host.answers.set(path, (_, response) => response.writeHead(500).end());
    expect(await isTaken(url)).toBe(true);
    expect(host.asked).toHaveLength(1);
  });

  test("where no resource lets a stranger in, nobody is asked for one, and no document is fetched", async () => {
    const url = put();
    for (const tenant of ["/t/acme", "/t/nobody"]) {
      const answer = await authorize(url, `${origin}/cb`, tenant);
      expect([answer.status, answer.headers.get("location")]).toEqual([400, null]);
      expect(await redeem(url, { tenant })).toEqual(await redeem(`agt_${"0".repeat(32)}`, { tenant }));
    }
    expect(host.asked).toEqual([]);
  });

  test("while the host of its document is in trouble a client is told to come again, and not that it is unknown", async () => {
    const path = newPath();
    const url = `${origin}${path}`;
    for (const [status, answer] of [
      [500, 503],
      [429, 503],
      [404, 401],
      [410, 401],
    ] as const) {
      const at = `${path}?${status}`;
      host.answers.set(at, (_, response) => response.writeHead(status).end());
      expect(await redeem(`${url}?${status}`), `${status}`).toMatchObject({ status: answer, retryAfter: answer === 503 ? "10" : null });
    }
    const { status, text } = await redeem(`${url}?500`);
    expect([status, JSON.parse(text)]).toMatchObject([503, { error: "temporarily_unavailable" }]);
    expect((await authorize(`${url}?500`, `${origin}/cb`)).status).toBe(503);
    // Asked once for all of these.
    expect(host.asked.filter((each) => each === `${path}?500`)).toHaveLength(1);
  });

  test("one that names localhost, as Claude Code's does, has whichever port the system gave it; the code is for that port, and it is asked for each time", async () => {
    const url = put({ redirect_uris: ["http://localhost/callback", "http://127.0.0.1/callback"] });
    for (const near of ["http://localhost:49152/", "http://localhost.evil.example:49152/callback", "https://localhost:49152/callback"]) {
      expect(await isTaken(url, near), near).toBe(false);
    }
    const redirectUri = "http://localhost:49152/callback";
    for (const [port, expected] of [
      [49153, 400],
      [49152, 200],
    ] as const) {
      const consent = await consentPage(url, redirectUri);
      expect(consent.page).toContain("any program here could pretend to be this one");
      const back = await consent.allow();
      expect(`${back.origin}${back.pathname}`).toBe(redirectUri);
      const code = back.searchParams.get("code") ?? "";
      expect((await redeem(url, { code, redirectUri: `http://localhost:${port}/callback` })).status).toBe(expected);
    }
  });

  test("one that sends people to their own machine: the person is warned that any program there could be it, and of a stranger the address stands first", async () => {
    const redirectUri = "http://127.0.0.1:49152/cb";
    const url = put({ redirect_uris: ["http://127.0.0.1/cb"] });
    const { page } = await consentPage(url, redirectUri);
    expect(page).toContain("any program here could pretend to be this one");
    expect(page).toContain("Nobody here has checked that");
    expect(page.indexOf(`127.0.0.1:${host.port}`)).toBeLessThan(page.indexOf("Your Bank"));
  });
});
