import { describe, expect, test } from "vitest";
import { houseOf } from "./house.ts";
import { laws } from "./laws.ts";

const roomPaths = [
  "config",
  "ground/kernel",
  "ground/db",
  "ground/egress",
  "identity/tenants",
  "identity/agents",
  "access/vault",
  "front/http",
  "front/pages",
  "front/native",
];
const roomList = (paths: readonly string[]) =>
  `export const rooms = [${paths.map((path) => `{ path: "${path}", owns: "${path}" }`).join(",\n")}];`;
const server = (inside: string) => `packages/server/src/${inside}`;

/** A small house that keeps every law, using each freedom that somebody has. */
const lawful: Readonly<Record<string, string>> = {
  ...Object.fromEntries(roomPaths.map((path) => [server(`${path}/index.ts`), `/** Owns ${path}. */\nexport { x } from "./x.ts";\n`])),
  ...Object.fromEntries(roomPaths.map((path) => [server(`${path}/x.ts`), "export const x = 1;\n"])),
  [server("rooms.ts")]: roomList(roomPaths),
  [server("main.ts")]: 'import { compose } from "./compose.ts";\ncompose(process.env);\nprocess.exit(1);\n',
  [server("compose.ts")]: 'import { x } from "./access/vault/index.ts";\nexport const compose = (...all: unknown[]) => [x, all];\n',
  [server("index.ts")]: '/** The server, for programs that start it. */\nexport { compose } from "./compose.ts";\n',
  [server("config/env.ts")]: 'import { BlockList, isIP } from "node:net";\nexport const home = process.env["HOME"];\n',
  [server("ground/kernel/clock.ts")]:
    'import { randomBytes } from "node:crypto";\nexport const now = () => Date.now();\nexport const date = new Date();\n',
  [server("ground/db/open.ts")]: 'import { Kysely } from "kysely";\nimport pg from "pg";\nimport Database from "libsql";\n',
  [server("ground/egress/fetch.ts")]:
    'import { fetch } from "undici";\nimport { connect } from "node:tls";\nexport const go = () => fetch("x");\n',
  [server("identity/agents/agents-table.ts")]:
    'import type { Kysely } from "kysely";\nimport type { Tables } from "../../ground/db/index.ts";\n',
  [server("identity/agents/agents.ts")]:
    'import { x } from "../tenants/index.ts";\nimport type { IncomingMessage } from "node:http";\nexport const make = ({ fetch, clock }: { fetch: (u: string) => unknown; clock: () => number }) => fetch(`${new Date(clock()).toISOString()} ${x}`);\n',
  [server("identity/agents/agents.test.ts")]: 'import { x } from "../../front/native/x.ts";\nimport { test } from "vitest";\nDate.now();\n',
  [server("identity/agents/agents-for-tests.ts")]: 'import { open } from "../../testing/stores.ts";\n',
  [server("front/native/errors.ts")]:
    'import type { FastifyReply } from "fastify";\nimport { x } from "../../access/vault/index.ts";\nimport type { Db } from "../../ground/db/index.ts";\n',
  [server("testing/stores.ts")]: 'import pg from "pg";\nprocess.env["X"];\nMath.random();\n',
  [server("reference/main.ts")]: 'import { errors } from "../front/native/errors.ts";\nprocess.exit(0);\n',
  "packages/contract/src/index.ts": '/** The wire. */\nexport { a } from "./a.ts";\n',
  "packages/contract/src/a.ts": 'import { z } from "zod";\nexport const a = z;\n',
  "packages/sdk/src/index.ts": '/** The SDK. */\nexport { c } from "./client.ts";\n',
  "packages/sdk/src/client.ts":
    'import { a } from "@legate/contract";\nimport type { IncomingMessage } from "node:http";\nexport const c = fetch(a);\n',
  "packages/sdk/src/testing/fake.ts": 'import { createServer } from "node:http";\n',
  "packages/sdk/src/context.ts": 'import { AsyncLocalStorage } from "node:async_hooks";\n',
  "examples/src/demo/main.ts":
    'import { c } from "@legate/sdk";\nimport { startProvider } from "@legate/server/testing/provider";\nimport { x } from "./x.ts";\nprocess.env["X"];\n',
  "bench/src/main.ts":
    'import { fastify } from "fastify";\nimport { startPostgres } from "@legate/server/testing/postgres";\nDate.now();\n',
  "packages/sdk/src/environment.ts": 'export const url = process.env["LEGATE_URL"];\n',
  "packages/sdk/src/coze/environment.ts": "export const variables = () => process.env;\n",
  "packages/sdk/src/coze/identity-key.ts": 'import { createHash } from "node:crypto";\n',
};

const breaches = (files: Readonly<Record<string, string>>): string[] => {
  const house = houseOf(new Map(Object.entries(files)));
  return laws.flatMap(({ name, offences }) => offences(house).map(({ path }) => `${name} <- ${path}`));
};

test("a house that keeps every law has no offender", () => {
  expect(breaches(lawful)).toEqual([]);
});

test("words in comments, strings, patterns and templates are not code", () => {
  const text = [
    '// import { db } from "kysely"; Date.now(); process.env.X',
    '/* fetch("x"); new Date() */',
    "const a = \"import x from 'pg'; Math.random()\" + 'process.exit(1)' + `Date.now() ${b} process.env`;",
    "const b = /Date.now\\(\\)[/'\"`]process.env/.test(a) || 4 / 2 / 1;",
    "const c = `${`Math.random() ${b}`} randomBytes`;",
    "const d = { fetch: 1 }.fetch;",
  ].join("\n");
  expect(breaches({ ...lawful, [server("identity/agents/words.ts")]: text })).toEqual([]);
});

const agents = server("identity/agents/planted.ts");
const dialect = server("front/native/planted.ts");
const sdk = "packages/sdk/src/planted.ts";

const neighbours = "packages and programs import only the neighbours they may know";

/** What is planted, where, and the law it must break; every law stands here at least once. */
const planted: readonly (readonly [law: string, path: string, text: string])[] = [
  ["floors import downward only", agents, 'import { x } from "../../access/vault/index.ts";'],
  ["floors import downward only", agents, 'import type { x } from "../../front/http/index.ts";'],
  ["floors import downward only", agents, 'const { x } = await import("../../access/vault/index.ts");'],
  ["floors import downward only", agents, 'let a: typeof import("../../access/vault/index.ts");'],
  ["floors import downward only", server("ground/db/planted.ts"), 'export { x } from "../../identity/agents/index.ts";'],
  [
    "a room imports only rooms that stand before it in rooms.ts",
    server("identity/tenants/planted.ts"),
    'import { x } from "../agents/index.ts";',
  ],
  [
    "a room imports only rooms that stand before it in rooms.ts",
    server("config/planted.ts"),
    'import { x } from "../ground/kernel/index.ts";',
  ],
  ["a room imports only rooms that stand before it in rooms.ts", server("ground/kernel/planted.ts"), 'import "../db/index.ts";'],
  ["a room is entered only through its index.ts", agents, 'import { x } from "../tenants/x.ts";'],
  ["a room is entered only through its index.ts", server("compose.ts"), 'import { x } from "./access/vault/x.ts";'],
  ["a room is entered only through its index.ts", agents, 'export {\n  x,\n  type Y,\n} from "../tenants/deep/y.ts";'],
  ["a room knows nothing of what composes it", agents, 'import { compose } from "../../compose.ts";'],
  ["code that runs imports nothing made for tests", server("planted.ts"), 'import { open } from "./testing/stores.ts";'],
  ["code that runs imports nothing made for tests", sdk, 'import { fake } from "./testing/fake.ts";'],
  ["code that runs imports nothing made for tests", agents, 'import { open } from "./agents-for-tests.ts";'],
  ["code that runs imports nothing made for tests", agents, 'import { vi } from "vitest";'],
  ["only ground/db and *-table.ts import the query builder or a driver", agents, 'import { sql } from "kysely";'],
  ["only ground/db and *-table.ts import the query builder or a driver", agents, 'import type pg from "pg";'],
  ["only ground/db and *-table.ts import the query builder or a driver", server("compose.ts"), 'import Database from "libsql/promise";'],
  ["only front/ imports Fastify", agents, 'import type { FastifyRequest } from "fastify";'],
  ["only front/ imports Fastify", server("main.ts"), 'import { fastify } from "fastify";'],
  ["only front/ imports Fastify", server("compose.ts"), 'import cookie from "@fastify/cookie";'],
  ["only front/ imports Fastify", agents, 'import reference from "@scalar/fastify-api-reference";'],
  ["only ground/egress opens outbound sockets", agents, 'import { fetch } from "undici";'],
  ["only ground/egress opens outbound sockets", agents, 'import { request } from "node:https";'],
  ["only ground/egress opens outbound sockets", agents, 'import net, { isIP } from "node:net";\nnet.connect(1);'],
  ["only ground/egress opens outbound sockets", agents, 'import { connect, isIP } from "node:net";'],
  ["only ground/egress opens outbound sockets", agents, 'import * as tls from "tls";'],
  ["only ground/egress opens outbound sockets", agents, 'const answer = await fetch("https://example.com");'],
  ["only ground/egress opens outbound sockets", agents, "const go = (given?: typeof fetch) => (given ?? fetch);"],
  ["only ground/egress opens outbound sockets", agents, "globalThis.fetch(a);"],
  ["only ground/egress opens outbound sockets", agents, "open({ via: fetch });"],
  ["only ground/egress opens outbound sockets", agents, 'import { createRemoteJWKSet } from "jose";'],
  ["only ground/egress opens outbound sockets", agents, "new WebSocket(url);"],
  ["a dialect imports no other dialect and no table", dialect, 'import { x } from "../coze/index.ts";'],
  ["a dialect imports no other dialect and no table", dialect, 'import type { Row } from "../../ground/db/index.ts";'],
  ["nothing asks which dialect is speaking", agents, 'if (dialect === "coze") x();'],
  ["nothing asks which dialect is speaking", agents, 'const y = "native" !== who.dialect ? 1 : 2;'],
  ["nothing asks which dialect is speaking", agents, "switch (ask.dialect) {}"],
  [neighbours, sdk, 'import { compose } from "@legate/server";'],
  [neighbours, sdk, 'import type { X } from "@legate/server/dist/x.js";'],
  [neighbours, "packages/sdk/src/planted.tsx", 'import { x } from "../../server/src/index.ts";'],
  [neighbours, agents, 'import { LegateClient } from "@legate/sdk";'],
  [neighbours, "packages/planted/src/planted.ts", 'import { a } from "@legate/contract";'],
  [neighbours, "examples/src/demo/planted.ts", 'import { x } from "../../../packages/server/src/access/vault/index.ts";'],
  [neighbours, "bench/src/planted.ts", 'import { LegateClient } from "@legate/sdk";'],
  ["contract imports zod only", "packages/contract/src/planted.ts", 'import { createHash } from "node:crypto";'],
  ["contract imports zod only", "packages/contract/src/planted.ts", 'import * as z from "zod/mini";'],
  ["the SDK stands on contract alone, and on Node only in the modules that are named here", sdk, 'import { z } from "zod";'],
  ["the SDK stands on contract alone, and on Node only in the modules that are named here", sdk, 'import { readFileSync } from "node:fs";'],
  ["process.env is read", agents, 'const x = process.env["LEGATE_PORT"];'],
  ["process.env is read", server("compose.ts"), "const { env } = process;"],
  ["process.env is read", agents, 'import { env } from "node:process";'],
  ["process.env is read", sdk, "const x = process.env.LEGATE_URL;"],
  ["process.env is read", "packages/cli/src/commands/planted.ts", "const x = process.env.LEGATE_URL;"],
  ["process.env is read", "packages/sdk/src/coze/planted.ts", "const x = process.env.COZE_SERVER_ENV;"],
  ["clock and randomness are guests", agents, "const at = Date.now();"],
  ["clock and randomness are guests", agents, "const clock = Date.now;"],
  ["clock and randomness are guests", agents, "const at = new Date().toISOString();"],
  ["clock and randomness are guests", agents, "const at = `${new Date( )}`;"],
  ["clock and randomness are guests", agents, "const at = Math.random();"],
  ["clock and randomness are guests", server("compose.ts"), 'import { randomBytes } from "node:crypto";'],
  ["clock and randomness are guests", agents, "const id = crypto.randomUUID();"],
  ["process.exit stands in main.ts alone", server("compose.ts"), "process.exit(1);"],
  ["no folder is named after nothing", server("identity/agents/utils/planted.ts"), ""],
  ["no folder is named after nothing", "packages/sdk/src/helpers/planted.ts", ""],
  ["a door names what it hands out", server("identity/agents/index.ts"), '/** Owns agents. */\nexport * from "./x.ts";'],
  ["a door names what it hands out", "packages/sdk/src/index.ts", '/** The SDK. */\nexport * as all from "./client.ts";'],
  ["a door opens with one sentence", server("identity/agents/index.ts"), 'export { x } from "./x.ts";'],
  [
    "a door opens with one sentence",
    server("identity/agents/index.ts"),
    '/** Owns agents. It also owns keys. */\nexport { x } from "./x.ts";',
  ],
  ["a door opens with one sentence", server("identity/agents/index.ts"), '/** agents */\nexport { x } from "./x.ts";'],
  ["a room's door says what rooms.ts says", server("identity/agents/index.ts"), '/** Owns something else. */\nexport { x } from "./x.ts";'],
  ["rooms.ts lists every room", server("identity/users/index.ts"), "/** Owns users. */"],
  ["rooms.ts lists every room", server("rooms.ts"), roomList([...roomPaths, "front/absent"])],
  ["rooms.ts lists every room", server("rooms.ts"), roomList([...roomPaths, "ground/kernel"])],
  ["rooms.ts lists every room", server("cellar/planted.ts"), ""],
  ["rooms.ts lists every room", server("identity/planted.ts"), ""],
  ["every import can be read", agents, "const x = await import(name);"],
  ["every import can be read", agents, "const x = require(`./${name}`);"],
];

describe("an offender is named", () => {
  test.each(planted)("%s: %s: %j", (law, path, text) => {
    const found = breaches({ ...lawful, [path]: text });
    expect(found).toContainEqual(expect.stringMatching(new RegExp(`^${law.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")}.* <- ${path}$`)));
  });

  test("and the table plants a breach of each law", () => {
    for (const { name } of laws)
      expect(planted.map(([law]) => law)).toContainEqual(expect.toSatisfy((law: string) => name.startsWith(law)));
  });
});
