import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { type Operation, operations, type Right } from "@legate/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eachStore } from "../../packages/server/src/testing/stores.ts";
import { type ManyTenants, openManyTenants, testAdminKey } from "./many-tenants.ts";

const all: readonly Operation[] = Object.values(operations);
const hour = 60 * 60_000;

/** Somebody who asks: in which tenant the credential lives, and which rights it has while it lives. */
interface Caller {
  readonly what: string;
  readonly key: string | undefined;
  readonly home: string | undefined;
  readonly rights: readonly Right[];
}

/** Every right but one that needs no credential, and who has it in a tenant. A new right does not compile until somebody here has it. */
type Holders = Readonly<Record<Exclude<Right, "anyone" | "installation-admin">, string>>;

/** What no operation parses, so that nothing is done: whoever may ask hears of it, and nobody else. */
const spoiltAddress = (op: Operation, prefix: string): string =>
  `${prefix}${op.path.replaceAll(/\{\w+\}/g, "nothing-there")}?no-operation-takes-this=1`;

const places = [undefined, "default", "acme", "globex", "nowhere"] as const;

/** What must come back, from the table of operations alone. */
const expectedOf = (op: Operation, caller: Caller, place: (typeof places)[number]): number => {
  // `default` has no prefix, and there is no tenant `nowhere`.
  if (place === "nowhere" || place === "default") return 404;
  if (op.rights.includes("anyone")) return 400;
  const isUserToken = caller.rights.includes("user-token");
  // A user's token names no tenant: the address does. Where none may be used, it is a credential that nobody knows.
  const asked = isUserToken ? (place ?? "default") : place;
  if (caller.home === undefined || (asked !== undefined && asked !== caller.home)) return 401;
  if (op.rights.some((right) => caller.rights.includes(right))) return 400;
  return isUserToken ? 401 : 403;
};

eachStore("the rights of every operation", (fresh) => {
  let many: ManyTenants;
  const callers: Caller[] = [
    { what: "nobody", key: undefined, home: undefined, rights: [] },
    { what: "an unknown operator key", key: `op_${"0123456789abcdef".repeat(4)}`, home: undefined, rights: [] },
    { what: "a key with a wrong checksum", key: `sk_${"0123456789abcdef".repeat(4)}`, home: undefined, rights: [] },
    { what: "a token of nobody", key: "eyJhbGciOiJub25lIn0.e30.", home: undefined, rights: [] },
  ];

  const people = async (home: string, admin: string): Promise<void> => {
    const issuer = await many.startIssuer();
    const prefix = home === "default" ? "" : `/t/${home}`;
    const make = <T = Readonly<Record<string, string>>>(url: string, body: unknown) =>
      many.had<T>({ method: "POST", url: `${prefix}/v1/${url}`, key: admin, body });
    const operator = async (role: string, expiresIn?: number): Promise<string> => {
      const expiresAt = expiresIn === undefined ? undefined : new Date(many.hand.clock() + expiresIn).toISOString();
      return (await make("operators", { name: `${role}-${expiresIn ?? "lasting"}`, role, expiresAt })).key ?? "";
    };
    await make("issuers", { name: "corp", discoveryUrl: issuer.url, audiences: ["us"] });
    await make("agents", { name: "scout", issuer: "corp" });
    await make("agents", { name: "stopped" });
    const { apiKey = "" } = await make("agents/scout/keys", {});
    const { apiKey: deadKey = "" } = await make("agents/stopped/keys", {});
    const { token: outlived = "" } = await make("workload-tokens", { agent: "scout", userId: "alice" });
    for (const turn of ["suspend", "resume"]) await make(`agents/scout/${turn}`, {});
    const expired = {
      admin: await operator("admin", hour),
      operator: await operator("operator", hour),
      auditor: await operator("auditor", hour),
    };
    const lasting: Holders = {
      admin,
      operator: await operator("operator"),
      auditor: await operator("auditor"),
      agent: apiKey,
      "user-token": await issuer.sign({ sub: "bob", aud: "us", exp: Math.floor((many.hand.clock() + 9 * hour) / 1000) }),
      // Made below, once the clock stands where it stays.
      "workload-token": "",
    };
    // An expired key is remembered as alive by the caches, if they are wrong.
    for (const key of Object.values(expired)) await many.had({ url: "/v1/agents", key });
    await many.had({ method: "DELETE", url: `${prefix}/v1/agents/stopped`, key: admin });
    for (const [right, key] of Object.entries(lasting) as [keyof Holders, string][]) {
      const rights: Right[] = right === "admin" && home === "default" ? ["admin", "installation-admin"] : [right];
      callers.push({ what: `${right} of ${home}`, key, home, rights });
    }
    for (const [role, key] of Object.entries(expired))
      callers.push({ what: `expired ${role} of ${home}`, key, home: undefined, rights: [] });
    callers.push({ what: `deleted agent of ${home}`, key: deadKey, home: undefined, rights: [] });
    callers.push({ what: `outlived workload token of ${home}`, key: outlived, home: undefined, rights: [] });
  };

  beforeAll(async () => {
    many = await openManyTenants(await fresh());
    const admins = { default: testAdminKey, acme: await many.makeTenant("acme"), globex: await many.makeTenant("globex") };
    for (const [home, admin] of Object.entries(admins)) await people(home, admin);
    many.hand.forward(hour);
    for (const [at, caller] of callers.entries()) {
      if (!caller.rights.includes("workload-token")) continue;
      const key = admins[caller.home as keyof typeof admins];
      const { token } = await many.had<{ token: string }>({ method: "POST", url: "/v1/workload-tokens", key, body: { agent: "scout" } });
      callers[at] = { ...caller, key: token };
    }
  });
  afterAll(() => many.close());

  describe.each(all.map((op) => [op.id, op] as const))("%s", (_id, op) => {
    test("is answered to whoever has a right to it, at an address of theirs, and to nobody else", async () => {
      const wrong: string[] = [];
      for (const caller of callers) {
        for (const place of places) {
          const answer = await many.ask({
            method: op.method,
            url: spoiltAddress(op, place === undefined ? "" : `/t/${place}`),
            key: caller.key,
            // Nobody who may not ask learns whether this parses.
            body: op.method === "GET" || op.method === "DELETE" ? undefined : "{",
          });
          const expected = expectedOf(op, caller, place);
          if (answer.statusCode !== expected) {
            wrong.push(`${caller.what} at ${place ?? "no prefix"}: ${answer.statusCode}, not ${expected}: ${answer.body.slice(0, 200)}`);
          }
        }
      }
      expect(wrong).toEqual([]);
    });
  });

  test("everybody who may ask anything was among those who asked", () => {
    const held = new Set(callers.flatMap(({ rights }) => rights));
    const named = new Set(all.flatMap(({ rights }) => rights).filter((right) => right !== "anyone"));
    expect([...named].filter((right) => !held.has(right))).toEqual([]);
    expect(callers.length).toBeGreaterThan(30);
  });

  test("who may not ask is told so before a byte of the body is read", async () => {
    await many.http.listen();
    const { port } = many.http.app.server.address() as AddressInfo;
    const auditor = callers.find(({ what }) => what === "auditor of acme")?.key ?? "";
    const statusOf = async (op: Operation, key: string | undefined): Promise<string> => {
      const socket = connect(port, "127.0.0.1");
      await once(socket, "connect");
      const lines = [
        `${op.method} ${op.path.replaceAll(/\{\w+\}/g, "nothing-there")} HTTP/1.1`,
        "host: 127.0.0.1",
        "content-type: application/json",
        "content-length: 1000",
        ...(key === undefined ? [] : [`authorization: Bearer ${key}`]),
      ];
      socket.write(`${lines.join("\r\n")}\r\n\r\n`);
      const [first] = (await once(socket, "data")) as [Buffer];
      socket.destroy();
      return first.toString("latin1").slice(9, 12);
    };
    for (const op of all.filter(({ method }) => method !== "GET")) {
      expect([op.id, await statusOf(op, undefined)]).toEqual([op.id, "401"]);
      if (!op.rights.includes("auditor")) expect([op.id, await statusOf(op, auditor)]).toEqual([op.id, "403"]);
    }
  });
});
