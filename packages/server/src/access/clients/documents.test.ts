import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { makeLimits } from "../../ground/limits/index.ts";
import { eachStore, handClock, openGround } from "../../testing/stores.ts";
import type { Client } from "./client.ts";
import { type DocumentHost, documentAt, hostOrigin, startDocumentHost } from "./document-host-for-tests.ts";
import { makeDocuments } from "./documents.ts";
import type { Absent } from "./find.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

let host: DocumentHost;
beforeAll(async () => {
  host = await startDocumentHost();
});
afterAll(() => host.stop());

eachStore("clients known by their document", (fresh) => {
  let hand: ReturnType<typeof handClock>;
  let ground: Awaited<ReturnType<typeof openGround>>;
  let documents: ReturnType<typeof makeDocuments>;
  let forgotten: string[] = [];
  const onForgotten = (tenant: string, url: string): Promise<void> => {
    forgotten.push(`${tenant} ${url}`);
    return Promise.resolve();
  };
  let at = 0;
  beforeEach(async () => {
    hand = handClock();
    ground = await openGround(await fresh(), hand.clock);
    documents = makeDocuments({ db: ground.db, egress: host.door, clock: hand.clock, onForgotten });
    host.asked.length = 0;
    forgotten = [];
    return () => ground.db.close();
  });
  const find = (url: string, tenant = "default") => documents.find(tenant, url, "192.0.2.1");
  const clientAt = async (url: string): Promise<Client> => {
    const found = await find(url);
    if ("absent" in found) throw new Error(found.absent);
    return found;
  };
  const absence = async (url: string): Promise<string | undefined> => {
    const found: Client | Absent = await find(url);
    return "absent" in found ? found.absent : undefined;
  };
  /** A path that nothing was ever at. */
  const newPath = () => `/client-${(at += 1)}`;
  const put = (given: Readonly<Record<string, unknown>> = {}, headers: Readonly<Record<string, string>> = {}, path = newPath()) => {
    const url = `${hostOrigin}${path}`;
    host.put(path, (_, response) => {
      response.writeHead(200, { "content-type": "application/json", ...headers }).end(JSON.stringify(documentAt(url, given)));
    });
    return url;
  };
  const kept = () => ground.db.read.selectFrom("client_documents").selectAll().execute();

  test("are public, and what their document says; the host is asked once, for JSON", async () => {
    const url = put();
    expect(await clientAt(url)).toEqual({
      tenant: "default",
      id: url,
      kind: "document",
      name: "The App",
      redirectUris: [`${hostOrigin}/cb`],
      grantTypes: ["authorization_code", "refresh_token"],
      scopes: undefined,
      agent: undefined,
      issuerId: undefined,
      version: expect.stringMatching(/^[\w-]{43}$/) as string,
      about: { uri: `${hostOrigin}/about` },
    });
    await clientAt(url);
    expect(host.asked).toEqual([`GET ${new URL(url).pathname} application/json`]);
    // Another tenant asks for itself.
    expect(await find(url, "acme")).toMatchObject({ tenant: "acme", id: url });
    expect(host.asked).toHaveLength(2);
  });

  test("however many ask at once, the host is asked once", async () => {
    const path = newPath();
    const url = host.put(path, (_, response) => {
      setTimeout(() => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(documentAt(url))), 50);
    });
    const found = await Promise.all(Array.from({ length: 32 }, () => find(url)));
    expect(found.every((each) => !("absent" in each))).toBe(true);
    expect(host.asked).toHaveLength(1);
  });

  describe("that cannot be had", () => {
    test.each([
      ["document_status", { status: 404 }],
      ["document_status", { status: 500 }],
      ["document_status", { status: 203 }],
      ["document_redirect", { status: 302, headers: { location: "/elsewhere" } }],
      ["document_redirect", { status: 307, headers: { location: "https://app.example/elsewhere" } }],
      ["document_content_type", { headers: { "content-type": "text/html" } }],
      ["document_content_type", { headers: { "content-type": "text/json" } }],
      ["document_content_type", { headers: { "content-type": "" } }],
      ["document_too_large", { pad: 5 * 1024 }],
      ["document_malformed", { body: "{" }],
      ["document_malformed", { body: "[]" }],
      ["document_malformed", { body: "null" }],
      ["document_malformed", { body: '{"client_id":"x","client_id":"x"}' }],
      ["document_malformed", { body: Buffer.from([0x7b, 0xff, 0x7d]) }],
    ] as const)("%s: %j is no client, and leaves nothing behind", async (reason, given) => {
      const { status = 200, headers = {}, body, pad }: { status?: number; headers?: object; body?: string | Buffer; pad?: number } = given;
      const path = newPath();
      const url = host.put(path, (_, response) => {
        const said = body ?? JSON.stringify(documentAt(url, pad === undefined ? {} : { note: "x".repeat(pad) }));
        response.writeHead(status, { "content-type": "application/json", ...headers }).end(said);
      });
      expect(await absence(url)).toBe(reason);
      expect(await kept()).toEqual([]);
    });

    test("is told from one whose host is in trouble: that may be as good as ever", async () => {
      const answers = (status: number, body = "") =>
        host.put(newPath(), (_, response) => response.writeHead(status, { "content-type": "application/json" }).end(body));
      for (const status of [429, 500, 502, 503, 504]) {
        expect(await find(answers(status)), `${status}`).toEqual({ absent: "document_status", isPassing: true });
      }
      for (const status of [201, 204, 400, 401, 403, 404, 410]) {
        expect(await find(answers(status)), `${status}`).toEqual({ absent: "document_status", isPassing: false });
      }
      const gone = host.put(newPath(), (request) => request.socket.destroy());
      expect(await find(gone)).toEqual({ absent: "document_network", isPassing: true });
      expect(await find("https://127.0.0.1:1/nobody-listens")).toEqual({ absent: "document_network", isPassing: true });
      expect(await find("https://nobody.invalid/client")).toMatchObject({ isPassing: true });
      // What may not be reached, and what is wrong, stays so.
      expect(await find("https://169.254.169.254/latest/meta-data/")).toEqual({ absent: "document_blocked_address", isPassing: false });
      expect(await find(answers(200, "{"))).toEqual({ absent: "document_malformed", isPassing: false });
      expect(await kept()).toEqual([]);
    });

    test("for its host is in trouble is asked for again after ten seconds, by one for all, and counts each time", async () => {
      const limits = makeLimits({ db: ground.db, clock: hand.clock, scale: 0.1 });
      documents = makeDocuments({ db: ground.db, egress: host.door, clock: hand.clock, limits, onForgotten });
      const path = newPath();
      const url = put({}, { "cache-control": "max-age=600" }, path);
      await clientAt(url);
      hand.forward(10 * minute);
      host.put(path, (_, response) => response.writeHead(503).end());
      const askedSoFar = host.asked.length;
      const all = () => Promise.all(Array.from({ length: 8 }, () => absence(url)));
      for (const before of [0, 9_999]) {
        hand.forward(before);
        expect(new Set(await all())).toEqual(new Set(["document_status"]));
        expect(host.asked).toHaveLength(askedSoFar + 1);
      }
      hand.forward(1);
      await all();
      expect(host.asked).toHaveLength(askedSoFar + 2);
      // Twelve guesses of a key a minute are what an address has here.
      const tries = async () => {
        for (let n = 0; n < 20; n += 1) await find(host.put(newPath(), (_, response) => response.writeHead(503).end()));
      };
      await expect(tries()).rejects.toMatchObject({ code: "rate_limited" });
      expect(host.asked.length).toBeLessThan(askedSoFar + 20);
      put({}, {}, path);
      hand.forward(2 * minute);
      expect(await clientAt(url)).toMatchObject({ id: url });
    });

    test("is asked for again after a minute, and not before; a good one is taken then", async () => {
      const path = newPath();
      const url = host.put(path, (_, response) => response.writeHead(404).end());
      for (let tries = 0; tries < 3; tries += 1) expect(await absence(url)).toBe("document_status");
      expect(host.asked).toHaveLength(1);
      put({}, {}, path);
      hand.forward(minute - 1);
      expect(await absence(url)).toBe("document_status");
      hand.forward(1);
      expect(await clientAt(url)).toMatchObject({ id: url });
      expect(host.asked).toHaveLength(2);
    });

    test("does no harm to the one that is fresh; but one that is stale is not believed", async () => {
      const path = newPath();
      const url = put({}, { "cache-control": "max-age=600" }, path);
      await clientAt(url);
      host.put(path, (_, response) => response.writeHead(500).end());
      hand.forward(10 * minute - 1);
      await clientAt(url);
      expect(host.asked).toHaveLength(1);
      hand.forward(1);
      expect(await absence(url)).toBe("document_status");
      expect(host.asked).toHaveLength(2);
    });

    test("may not be slow", async () => {
      const path = newPath();
      const url = host.put(path, () => undefined);
      expect(await absence(url)).toBe("document_timeout");
    }, 20_000);
  });

  test.each([
    [{ "cache-control": "max-age=600" }, 10 * minute],
    [{ "cache-control": "no-store" }, 5 * minute],
    [{ "cache-control": "max-age=31536000" }, day],
    [{}, hour],
  ])("are believed for as long as %j lets them be, within five minutes and a day", async (headers, until) => {
    const url = put({}, headers);
    await clientAt(url);
    hand.forward(until - 1);
    await clientAt(url);
    expect(host.asked).toHaveLength(1);
    hand.forward(1);
    await clientAt(url);
    expect(host.asked).toHaveLength(2);
  });

  test("a clock that was set back makes nothing older than it is believed", async () => {
    const url = put();
    await clientAt(url);
    hand.forward(-2 * day);
    await clientAt(url);
    expect(host.asked).toHaveLength(2);
  });

  test("the version moves with what people consented to, and with nothing else", async () => {
    const path = newPath();
    const versionOf = async (given: Readonly<Record<string, unknown>>) => {
      const url = put(given, {}, path);
      hand.forward(2 * hour);
      return (await clientAt(url)).version;
    };
    const first = await versionOf({});
    expect(await versionOf({ contacts: ["a@b.example"], software_version: "2" })).toBe(first);
    const seen = new Set([first]);
    for (const given of [
      { redirect_uris: [`${hostOrigin}/cb`, `${hostOrigin}/cb2`] },
      { redirect_uris: [`${hostOrigin}/cb2`] },
      { client_name: "Another App" },
      { client_uri: `${hostOrigin}/other` },
      { logo_uri: `${hostOrigin}/logo.png` },
      { tos_uri: `${hostOrigin}/terms` },
      { jwks: { keys: [{ kty: "EC", crv: "P-256", x: "x", y: "y" }] } },
      { jwks_uri: `${hostOrigin}/keys` },
      { grant_types: ["authorization_code"] },
    ]) {
      seen.add(await versionOf(given));
    }
    expect(seen.size).toBe(10);
    expect(await versionOf({})).toBe(first);
  });

  test("are so many of a tenant, and those that nobody uses for a month are forgotten", async () => {
    const url = put({}, { "cache-control": "max-age=86400" });
    await clientAt(url);
    await ground.db.write(async (tx) => {
      for (let n = 0; n < 1_004; n += 1) {
        const row = { document: "{}", hash: "", fetched_at: 0, fresh_until: 0, used_at: hand.clock() - n - 1 };
        await tx
          .insertInto("client_documents")
          .values({ tenant_id: "default", id: `https://x.example/${n}`, ...row })
          .execute();
      }
      await tx
        .insertInto("client_documents")
        .values({ tenant_id: "acme", id: "https://x.example/", document: "{}", hash: "", fetched_at: 0, fresh_until: 0, used_at: 0 })
        .execute();
    });
    hand.forward(1);
    await clientAt(put());
    const left = await kept();
    expect(left.filter(({ tenant_id }) => tenant_id === "default")).toHaveLength(1_000);
    expect(left.map(({ id }) => id)).toContain(url);
    expect(left.map(({ id }) => id)).not.toContain("https://x.example/1003");

    hand.forward(29 * day);
    await clientAt(url);
    hand.forward(2 * day);
    expect(await documents.prune.isNeeded()).toBe(true);
    const unused = (await kept()).filter(({ id }) => id !== url).map(({ tenant_id, id }) => `${tenant_id} ${id}`);
    await documents.prune.run(AbortSignal.abort());
    expect(await kept()).toHaveLength(unused.length + 1);
    forgotten = [];
    await documents.prune.run(new AbortController().signal);
    expect((await kept()).map(({ id }) => id)).toEqual([url]);
    // With each goes what hangs on it.
    expect(forgotten.sort()).toEqual(unused.sort());
    expect(await documents.prune.isNeeded()).toBe(false);
  });

  test("whoever names ever other URLs is held, where it is one address; what is known is answered all the same", async () => {
    const limits = makeLimits({ db: ground.db, clock: hand.clock, scale: 0.1 });
    documents = makeDocuments({ db: ground.db, egress: host.door, clock: hand.clock, limits, onForgotten });
    const url = put();
    await clientAt(url);
    const tries = async () => {
      for (let n = 0; n < 100; n += 1) await find(`${hostOrigin}/nothing-${n}`);
    };
    await expect(tries()).rejects.toMatchObject({ code: "rate_limited" });
    expect(host.asked.length).toBeLessThan(20);
    await clientAt(url);
    await expect(documents.find("default", `${hostOrigin}/other`, "198.51.100.9")).resolves.toMatchObject({ absent: "document_status" });
  });
});
