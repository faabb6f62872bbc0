import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { type Operation, operations, type Right } from "@legate/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testAdminKey } from "../../testing/house.ts";
import { eachStore } from "../../testing/stores.ts";
import { casesOf, pathOf } from "./bad-input-for-tests.ts";
import { samples } from "./bad-input-samples-for-tests.ts";
import { type Failure, openWire, type Sent, type Wire } from "./wire-for-tests.ts";

const table = fileURLToPath(new URL("../../../../../docs/reference/bad-input.md", import.meta.url));
const all: readonly Operation[] = Object.values(operations);

const introduction = `# Bad input and its answer

Every operation of the native wire, every kind of bad input tried at it, and what comes back. A test sends all of it and keeps this page: what
stands here is what the server answers. Every answer carries \`{ "error": { "code", "message", "requestId" } }\`, the request id again in
\`x-request-id\`, and nothing of what was sent but the names of fields. Whoever may not ask learns nothing of the rest: the credential is checked
before the body is read. An address that does not exist is 404 \`not_found\`; one that does not answer a method is 405 \`method_not_allowed\`.
`;

const headingOf = (op: Operation): string => `${op.id}: ${op.method} ${op.path}`;

/** What was tried in one place stands together: `name`: null, 7, true. */
const gathered = (tried: readonly string[]): string => {
  const places = new Map<string, string[]>();
  for (const each of new Set(tried)) {
    const [, place = "", what = each] = /^(`[^`]+`): (.*)$/s.exec(each) ?? [];
    places.set(place, [...(places.get(place) ?? []), what]);
  }
  return [...places].map(([place, whats]) => `${place && `${place}: `}${whats.join(", ")}`.replaceAll("|", "\\|")).join("; ");
};

/** A row per answer. */
const page = (answers: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>): string =>
  [
    introduction,
    ...[...answers].map(([operation, rows]) =>
      [
        `## ${operation}\n`,
        "| answer | tried |",
        "|---|---|",
        ...[...rows].map(([answer, tried]) => `| ${answer} | ${gathered(tried)} |`),
        "",
      ].join("\n"),
    ),
  ].join("\n");

eachStore("bad input", (fresh) => {
  let wire: Wire;
  const keys: Partial<Record<Right, string>> = { admin: testAdminKey };
  const answers = new Map<string, Map<string, string[]>>();

  beforeAll(async () => {
    wire = await openWire(await fresh());
    const make = async (url: string, body: unknown): Promise<Record<string, string>> => {
      const answer = await wire.ask({ method: "POST", url, body });
      expect(answer.statusCode, answer.body).toBeLessThan(300);
      return answer.json();
    };
    await make("/v1/agents", { name: "probe" });
    await make("/v1/agents", { name: "other" });
    await make("/v1/agents", { name: "victim" });
    keys.agent = (await make("/v1/agents/probe/keys", {}))["apiKey"] ?? "";
    keys["workload-token"] = (await make("/v1/workload-tokens", { agent: "probe", userId: "alice" }))["token"] ?? "";
    await make("/v1/clients", { name: "victim", redirectUris: ["https://victim.example/"] });
    await make("/v1/resources", { name: "victim", identifier: "https://victim.example/", scopes: [] });
    await make("/v1/credential-providers", { name: "weather", type: "api_key", apiKey: "the-weather-key" });
    await make("/v1/credential-providers", { name: "victim", type: "api_key", apiKey: "the-victim's-key" });
    await make("/v1/roles", { name: "reader" });
    await make("/v1/roles", { name: "closed", agents: ["other"] });
    for (const roleArn of ["reader", "closed", "gone"])
      await make("/v1/credential-providers", { name: roleArn === "reader" ? "open" : roleArn, type: "sts", roleArn });
    await make("/v1/credential-providers", { name: "private", type: "api_key", apiKey: "the-private-key", agents: ["other"] });
  });
  afterAll(() => wire.close());

  /** Asks, and holds the answer to what every refusal must be. */
  const refused = async (op: Operation, what: string, sent: Sent, wanted?: readonly [number, string], at?: string) => {
    const answer = await wire.ask(sent);
    const told = `${op.id}, ${what}: ${answer.statusCode} ${answer.body.slice(0, 300)}`;
    expect(answer.statusCode, told).toBeLessThan(500);
    if (!wanted && answer.statusCode < 400) return;
    const { error } = answer.json<Failure>();
    if (wanted) expect([answer.statusCode, error.code], told).toEqual(wanted);
    expect(error.requestId, told).toMatch(/^req_[0-9a-f]{32}$/);
    expect(answer.headers["x-request-id"], told).toBe(error.requestId);
    expect(answer.body.length, told).toBeLessThan(6_000);
    if (at !== undefined) expect(error.details?.issues?.[0]?.path.split(".")[0], told).toBe(at.split(".")[0]);
    if (!wanted) return;
    const rows = answers.get(headingOf(op)) ?? new Map<string, string[]>();
    answers.set(headingOf(op), rows);
    const row = `${answer.statusCode} \`${error.code}\``;
    rows.set(row, [...(rows.get(row) ?? []), what]);
  };

  describe.each(all.map((op) => [op.id, op] as const))("%s", (_id, op) => {
    const sample = samples[op.id as keyof typeof samples];
    const good = { method: op.method, url: pathOf(op, sample.params), body: op.method === "GET" ? undefined : (sample.body ?? {}) };
    const right = (["admin", "agent", "workload-token"] as const).find((each) => op.rights.includes(each)) ?? "admin";

    test("the sample that the cases spoil is good", () => {
      expect(op.params.safeParse(sample.params ?? {}).success && op.body.safeParse(sample.body ?? {}).success).toBe(true);
    });

    test("is refused to who may not ask, whatever is sent", async () => {
      const secret = "0123456789abcdef".repeat(4);
      const unknown = {
        "no credential": "",
        "an unknown key": secret,
        "a key with a wrong checksum": `sk_${secret}`,
        "a token of nobody": "eyJhbGciOiJub25lIn0.e30.",
      };
      for (const [what, key] of Object.entries(unknown)) {
        await refused(op, what, { ...good, key }, [401, "unauthenticated"]);
        await refused(op, what, { ...good, key, body: op.method === "GET" ? undefined : "{" }, [401, "unauthenticated"]);
      }
      const kinds = { admin: "an operator key", agent: "an agent key", "workload-token": "a workload token" } as const;
      for (const kind of ["admin", "agent", "workload-token"] as const) {
        const may = op.rights.includes(kind) || (kind === "admin" && op.rights.includes("installation-admin"));
        if (!may) await refused(op, kinds[kind], { ...good, key: keys[kind] }, [403, "forbidden"]);
      }
      expect([...(answers.get(headingOf(op)) ?? [])].map(([answer]) => answer)).toEqual(["401 `unauthenticated`", "403 `forbidden`"]);
    });

    test("refuses each bad input, and none of it is a fault of ours", async () => {
      for (const { what, path, query, body, type, expect: wanted, at } of casesOf(op)) {
        const url = `${path ?? good.url}${query === undefined ? "" : `?${query}`}`;
        const sent = {
          method: op.method,
          url,
          key: keys[right],
          body: body ?? (query === undefined ? good.body : good.body && {}),
          ...(type !== undefined && { type }),
        };
        await refused(op, what, sent, wanted, at);
      }
      expect(answers.get(headingOf(op))?.get("400 `invalid_request`")?.length).toBeGreaterThan(2);
    }, 60_000);
  });

  test("an address that does not answer a method says which it answers", async () => {
    for (const op of all) {
      const url = pathOf(op, samples[op.id as keyof typeof samples].params);
      const isHere = ({ path }: Operation) => new RegExp(`^${path.replaceAll(/\{\w+\}/g, "[^/]+")}$`).test(url);
      const method = ["PUT", "PATCH"].find((each) => !all.some((other) => other.method === each && isHere(other))) ?? "PUT";
      const answer = await wire.ask({ method, url, body: {} });
      expect([op.id, answer.statusCode, answer.json<Failure>().error.code]).toEqual([op.id, 405, "method_not_allowed"]);
      expect(answer.headers["allow"]).toContain(op.method);
    }
    expect((await wire.ask({ url: "/v1/nowhere" })).json<Failure>().error.code).toBe("not_found");
  });

  test("the page of the documentation says the same", () => {
    const made = page(answers);
    if (process.env["UPDATE_DOCS"]) {
      mkdirSync(dirname(table), { recursive: true });
      writeFileSync(table, made);
    }
    expect(readFileSync(table, "utf8")).toBe(made);
  });
});
