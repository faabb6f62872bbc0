import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { type Figures, load } from "./load.ts";
import type { Options } from "./options.ts";
import { ended, memoryOf, says } from "./processes.ts";
import { tell } from "./stores.ts";
import type { Ask } from "./wire.ts";

/** What was measured and how it was run, or why nothing was. */
export type KeycloakFigures =
  | {
      readonly figures: readonly Figures[];
      readonly memory: { readonly now: number; readonly peak: number } | undefined;
      readonly how: string;
    }
  | { readonly why: string };

const oldestJava = 21;

const subfolders = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder)
      .sort()
      .reverse()
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
};

/** A Java says its version in its own `release` file; 0 where there is none. */
const javaVersion = (home: string): number => {
  try {
    return existsSync(join(home, "bin", "java"))
      ? Number(/JAVA_VERSION="(\d+)/.exec(readFileSync(join(home, "release"), "utf8"))?.[1] ?? 0)
      : 0;
  } catch {
    return 0;
  }
};

/** The home of a Java that is new enough: the one on PATH, else one where Linux distributions put them. */
const findJava = (): string | undefined => {
  const onPath = (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "java"))
    .filter((program) => existsSync(program))
    .map((program) => dirname(dirname(realpathSync(program))));
  return [process.env["JAVA_HOME"] ?? "", ...onPath, ...subfolders("/usr/lib/jvm")].find((home) => javaVersion(home) >= oldestJava);
};

const isDistribution = (folder: string): boolean => existsSync(join(folder, "bin", "kc.sh"));

/** The folder that was named, else the newest `keycloak-26*` where caches are. */
const findDistribution = (named: string | undefined): string | undefined =>
  named === undefined
    ? subfolders(join(homedir(), ".cache", "legate-bench")).find((folder) => /\/keycloak-26[^/]*$/.test(folder) && isDistribution(folder))
    : isDistribution(named)
      ? named
      : undefined;

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
};

const clientSecret = randomBytes(24).toString("hex");

/** A realm with one client that may ask for itself, whose tokens are signed as ours are. */
const realm = {
  realm: "bench",
  enabled: true,
  sslRequired: "none",
  clients: [
    {
      clientId: "bench",
      enabled: true,
      protocol: "openid-connect",
      publicClient: false,
      clientAuthenticatorType: "client-secret",
      secret: clientSecret,
      serviceAccountsEnabled: true,
      standardFlowEnabled: false,
      attributes: { "access.token.signed.response.alg": "ES256" },
    },
  ],
};

const grant: Ask = {
  method: "POST",
  path: "/realms/bench/protocol/openid-connect/token",
  headers: { "content-type": "application/x-www-form-urlencoded" },
  body: new URLSearchParams({ grant_type: "client_credentials", client_id: "bench", client_secret: clientSecret }).toString(),
};

const algorithmOf = (token: string): unknown =>
  (JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString("utf8")) as { alg?: unknown }).alg;

/** The script that starts Java waits for it; the server is its child. */
const serverOf = (script: ChildProcess): number | undefined => {
  try {
    const [first] = readFileSync(`/proc/${script.pid}/task/${script.pid}/children`, "utf8").trim().split(" ");
    return first === undefined || first === "" ? script.pid : Number(first);
  } catch {
    return undefined;
  }
};

/** Builds it once for production, then runs it in a copy of its own, so that the distribution stays as it was. */
const start = async (java: string, distribution: string, folder: string): Promise<{ child: ChildProcess; url: string }> => {
  cpSync(distribution, folder, { recursive: true });
  mkdirSync(join(folder, "data", "import"), { recursive: true });
  writeFileSync(join(folder, "data", "import", "bench.json"), JSON.stringify(realm));
  const env = { PATH: process.env["PATH"] ?? "", JAVA_HOME: java };
  const run = (args: readonly string[]) => spawn(join(folder, "bin", "kc.sh"), args, { env, stdio: ["ignore", "pipe", "pipe"] });
  tell("Keycloak: building");
  const build = run(["build", "--db=dev-file", "--cache=local"]);
  build.stdout.resume();
  build.stderr.resume();
  const [code] = (await once(build, "exit")) as [number | null];
  if (code !== 0) throw new Error(`kc.sh build ended with ${code}`);
  const port = await freePort();
  tell("Keycloak: starting");
  const child = run([
    "start",
    "--optimized",
    "--import-realm",
    "--http-enabled=true",
    "--http-host=127.0.0.1",
    `--http-port=${port}`,
    `--hostname=http://127.0.0.1:${port}`,
  ]);
  child.stderr.resume();
  await says(child, /Listening on/, "stdout");
  return { child, url: `http://127.0.0.1:${port}` };
};

/** Client-credentials grants a second, after a warm-up of twice a run's requests; one sentence where it cannot be measured. */
export const measureKeycloak = async ({ keycloak: named, requests, rounds }: Options, connections: number): Promise<KeycloakFigures> => {
  if (named === "none") return { why: "LEGATE_BENCH_KEYCLOAK says none." };
  const distribution = findDistribution(named);
  if (distribution === undefined)
    return { why: `no distribution of it was found ${named === undefined ? "(LEGATE_BENCH_KEYCLOAK names its folder)" : `in ${named}`}.` };
  const java = findJava();
  if (java === undefined) return { why: `no Java ${oldestJava} or newer was found.` };

  const folder = mkdtempSync(join(tmpdir(), "legate-bench-keycloak-"));
  let child: ChildProcess | undefined;
  try {
    const server = await start(java, distribution, folder);
    child = server.child;
    let token = "";
    tell("Keycloak: warming up");
    await load(
      server.url,
      connections,
      requests * 2,
      () => grant,
      (n, { body }) => {
        if (n === 0) token = (JSON.parse(body.toString("utf8")) as { access_token: string }).access_token;
      },
    );
    const figures: Figures[] = [];
    for (let round = 0; round < rounds; round += 1) {
      tell(`Keycloak: round ${round + 1} of ${rounds}`);
      figures.push(await load(server.url, connections, requests, () => grant));
    }
    const version = readFileSync(join(distribution, "version.txt"), "utf8").trim();
    return {
      figures,
      memory: memoryOf(serverOf(server.child)),
      how: `${version} on Java ${javaVersion(java)}, built and started for production (\`kc.sh build\`, \`kc.sh start --optimized\`), plain HTTP, its embedded database, local caches, default memory settings, tokens signed with ${String(algorithmOf(token))}, ${connections} connections, after a warm-up of ${requests * 2} grants.`,
    };
  } finally {
    if (child) await ended(child);
    rmSync(folder, { recursive: true, force: true });
  }
};
