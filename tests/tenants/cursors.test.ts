import { generateKeyPairSync } from "node:crypto";
import { type Operation, operations } from "@legate/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TestIssuer } from "../../packages/server/src/testing/openid.ts";
import { adminOf, eachStore } from "../../packages/server/src/testing/stores.ts";
import { type ManyTenants, openManyTenants, testAdminKey } from "./many-tenants.ts";
import { furnish, type World } from "./world.ts";

// Seen to fail, each break by itself: a cursor that does not tell its tenant; one that does not tell its list; one that does not tell what its list is of.

const lists: readonly Operation[] = Object.values(operations).filter(({ query }) => "cursor" in query.shape);
const ofInstallation = (op: Operation) => op.rights.every((right) => right === "installation-admin");

/** One list of one tenant. */
interface Listing {
  readonly tenant: string;
  readonly called: string;
  readonly url: string;
  readonly key: string;
}

/** Gives a tenant more of everything of which it has one, so that every list has a second page. */
const double = async (many: ManyTenants, { tenant, key, ids }: World, issuer: TestIssuer): Promise<void> => {
  const make = <T = unknown>(url: string, body: unknown, by = key) => many.had<T>({ method: "POST", url: `/v1/${url}`, key: by, body });
  const put = (url: string, body: unknown) => many.had({ method: "PUT", url: `/v1/projects/${ids["projects"]}/${url}`, key, body });
  await make("issuers", { name: "second", discoveryUrl: issuer.url, audiences: ["us"] });
  await make("roles", { name: "second" });
  await make("access-keys", { rights: { agent: "probe" } });
  for (const agent of ["probe", "other"]) await make(`agents/${agent}/keys`, {});
  for (const agent of ["probe", "other", "other"]) {
    await make(`agents/${agent}/client-secrets`, {});
    const { publicKey } = generateKeyPairSync("ed25519");
    await make(`agents/${agent}/client-keys`, { jwk: publicKey.export({ format: "jwk" }) });
  }
  const { token } = await make<{ token: string }>("workload-tokens", { agent: "other" });
  await make("credentials/oauth2", { provider: "calendar", flow: "M2M" }, token);
  const whole = {
    clientVersion: "1",
    clientEpoch: 0,
    agent: undefined,
    tenantEpoch: 0,
    resource: "https://mail.example/",
    scopes: ["read"],
  };
  await many.house.db.write((tx) =>
    many.house.families.begin(tx, adminOf(tenant), {
      ...whole,
      client: ids["clients"] ?? "",
      user: { id: ids["users"] ?? "", epoch: 0 },
      expiresAt: Date.now() + 24 * 60 * 60_000,
    }),
  );
  for (const name of ["FIRST", "SECOND"]) {
    await put(`variables/${name}`, { value: "x" });
    await put(`variables/${name}`, { value: "x", lane: "ppe_1" });
  }
  for (const name of ["first", "second"]) await make("credential-providers", { name, vault: "team", type: "api_key", apiKey: "x" });
  await make("signing-keys", {});
  await make("data-keys", {});
};

eachStore("cursors", (fresh) => {
  let many: ManyTenants;
  let worlds: readonly World[];
  let installation: readonly Listing[];

  beforeAll(async () => {
    many = await openManyTenants(await fresh());
    const issuer = await many.startIssuer();
    worlds = [await furnish(many, "acme", issuer), await furnish(many, "globex", issuer)];
    const second = await many.startIssuer();
    for (const world of worlds) await double(many, world, second);
    await many.had({ method: "POST", url: "/v1/peppers", key: testAdminKey, body: {} });
    installation = lists
      .filter(ofInstallation)
      .map(({ id, path }) => ({ tenant: "default", called: id, url: `${path}?`, key: testAdminKey }));
  });
  afterAll(() => many.close());

  const listingsOf = ({ tenant, key, ids }: World): readonly Listing[] => {
    const named = (op: Operation, values: Readonly<Record<string, string>>) =>
      op.path.replaceAll(/([\w-]+)\/\{\w+\}/g, (_, noun: string) => `${noun}/${values[noun] ?? ""}`);
    const own = lists.filter((op) => !ofInstallation(op));
    return [
      ...own.map((op) => [op.id, `${named(op, ids)}?`]),
      ...own
        .filter(({ path }) => path.startsWith("/v1/agents/{"))
        .map((op) => [`${op.id} of another`, `${named(op, { agents: "other" })}?`]),
      ["listProviders of another vault", "/v1/credential-providers?vault=team&"],
      ["listVariables of another lane", `/v1/projects/${ids["projects"]}/variables?lane=ppe_1&`],
    ].map(([called = "", url = ""]) => ({ tenant, called, url, key }));
  };

  const read = async ({ url, key }: Listing, query: string) => many.ask({ url: `${url}${query}`, key });

  test("one works in the list that gave it and in no other, of the same tenant or of another", { timeout: 120_000 }, async () => {
    const all = [...worlds.flatMap(listingsOf), ...installation];
    expect(all.length).toBeGreaterThan(40);
    const cursors = new Map<Listing, string>();
    for (const listing of all) {
      const page = await read(listing, "limit=1");
      expect(page.statusCode, `${listing.called}: ${page.body}`).toBe(200);
      const { items, nextCursor } = page.json<{ items: unknown[]; nextCursor?: string }>();
      if (nextCursor === undefined) throw new Error(`${listing.called}: make two of them in this test.`);
      const next = await read(listing, `limit=1&cursor=${nextCursor}`);
      expect(next.statusCode, listing.called).toBe(200);
      expect(next.json<{ items: unknown[] }>().items, listing.called).not.toEqual(items);
      cursors.set(listing, nextCursor);
    }
    const accepted: string[] = [];
    for (const [from, cursor] of cursors) {
      for (const to of all) {
        if (to === from || (to.tenant !== from.tenant && to.called !== from.called)) continue;
        const answer = await read(to, `cursor=${cursor}`);
        if (answer.statusCode !== 400) accepted.push(`${from.tenant} ${from.called} in ${to.tenant} ${to.called}`);
        else expect(answer.json()).toMatchObject({ error: { code: "invalid_request", details: { issues: [{ path: "cursor" }] } } });
      }
    }
    expect(accepted).toEqual([]);
  });
});
