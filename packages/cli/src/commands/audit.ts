import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, existsSync, renameSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { operations } from "@legate/contract";
import type { AuditEvent, LegateClient } from "@legate/sdk";
import { type Command, type Context, isOn, textOf, type Typed } from "../command.ts";
import { CommandFailure, misused } from "../failure.ts";
import { cellOf } from "../output/index.ts";

const filters = [
  { flag: "agent", value: "name", description: "Only what this agent did: its name or id." },
  { flag: "user", value: "id", description: "Only what was done for this user." },
  { flag: "action", value: "action", description: "Only this action, or with a final `*` all that begin so." },
  { flag: "from", value: "moment", description: "From this moment on, such as 2026-11-21T10:00:00Z." },
  { flag: "to", value: "moment", description: "Before this moment." },
] as const;

/** Events may be written by a replica whose clock is behind, or whose transaction took its time. */
const overlapMs = 60_000;
/** How many events of the overlap are remembered at most. */
const mostRemembered = 20_000;

const filterOf = async (client: LegateClient, typed: Typed) => {
  const agent = textOf(typed, "agent");
  // The record knows agents by their ids.
  const id = agent === undefined || agent.startsWith("agt_") ? agent : (await client.agents.get(agent)).id;
  const [user, action, from, to] = (["user", "action", "from", "to"] as const).map((flag) => textOf(typed, flag));
  const query = {
    ...(id !== undefined && { agent: id }),
    ...(user !== undefined && { user }),
    ...(action !== undefined && { action }),
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
  };
  const parsed = operations.listAuditEvents.query.safeParse(query);
  if (!parsed.success) throw misused(parsed.error.issues.map(({ path, message }) => `--${path.join(".")}: ${message}`).join("; "));
  return query;
};

const lineOf = ({ at, action, outcome, caller, agent, user, target, details }: AuditEvent): string =>
  [
    at,
    outcome,
    action,
    `${caller.kind}${caller.id === undefined ? "" : `:${caller.id}`}`,
    agent === undefined ? "" : `agent=${agent}`,
    user === undefined ? "" : `user=${user}`,
    target === undefined ? "" : `target=${target}`,
    cellOf(details),
  ]
    .map((part) => cellOf(part))
    .filter((part) => part !== "")
    .join("  ");

const tell = async ({ out }: Context, events: readonly AuditEvent[]): Promise<void> => {
  for (const event of events) {
    if (out.json) await out.line(event);
    else {
      const line = lineOf(event);
      await out.raw(`${event.outcome === "refused" ? out.paint("yellow", line) : line}\n`);
    }
  }
};

const tail: Command = {
  path: ["audit", "tail"],
  summary: "Show what happened last, the newest at the end, and go on with what happens",
  about: "With --json each event is one line of JSON. With --follow it goes on until it is interrupted.",
  options: [
    ...filters,
    { flag: "lines", short: "n", value: "number", description: "How many to begin with; 20 unless said." },
    { flag: "follow", short: "f", description: "Go on with what happens." },
    { flag: "interval", value: "seconds", description: "How often to ask; every 2 seconds unless said." },
  ],
  examples: ["legate audit tail --follow", "legate audit tail --agent mail-reader --action 'credential.*' -n 100 --json | jq .action"],
  act: async (context, typed) => {
    const { world } = context;
    const lines = textOf(typed, "lines") ?? "20";
    if (!/^\d{1,6}$/.test(lines)) throw misused("--lines must be a whole number.");
    const interval = Number(textOf(typed, "interval") ?? "2");
    if (!(interval >= 0.1 && interval <= 3600)) throw misused("--interval must be a number of seconds, from 0.1 to 3600.");
    const follow = isOn(typed, "follow");
    if (follow && textOf(typed, "to") !== undefined) throw misused("--follow has no end: leave --to out.");
    const client = context.client();
    const query = await filterOf(client, typed);
    /** Events that need not be told any more, by when they happened. */
    const seen = new Map<string, number>();
    let newest = 0;
    const remember = ({ id, at }: AuditEvent) => {
      seen.set(id, Date.parse(at));
      newest = Math.max(newest, Date.parse(at));
    };

    // In one go, the last events and those around the newest: what happens between two questions would be lost.
    const first: AuditEvent[] = [];
    const { now } = follow ? await client.whoami() : { now: undefined };
    const edgeAtFirst = now === undefined ? undefined : Date.parse(now) - overlapMs;
    const wanted = Number(lines);
    if (wanted > 0 || follow)
      for await (const event of client.auditEvents.all({ ...query, limit: Math.min(500, Math.max(1, wanted)) })) {
        const isRecent = edgeAtFirst !== undefined && Date.parse(event.at) >= edgeAtFirst && seen.size < mostRemembered;
        if (first.length >= wanted && !isRecent) break;
        if (first.length < wanted) first.push(event);
        remember(event);
        if (!follow && first.length >= wanted) break;
      }
    await tell(context, first.reverse());
    if (edgeAtFirst === undefined) return;

    await world.interruptible(async (signal) => {
      for (;;) {
        await world.sleep(interval * 1000, signal);
        const edge = Math.max(newest - overlapMs, edgeAtFirst);
        const news: AuditEvent[] = [];
        for await (const event of client.auditEvents.all({ ...query, from: new Date(edge).toISOString(), limit: 500 }, { signal })) {
          if (!seen.has(event.id)) news.push(event);
          if (news.length >= mostRemembered) break;
        }
        for (const event of news) remember(event);
        await tell(context, news.reverse());
        for (const [id, at] of seen) if (at < edge) seen.delete(id);
      }
    });
  },
};

const exportCommand: Command = {
  path: ["audit", "export"],
  summary: "Export what happened, oldest first, with the chain and the signatures that prove it",
  options: [
    { flag: "from", value: "moment", description: "From the first block that holds an event of this moment or later." },
    { flag: "to", value: "moment", description: "Up to the last block that holds an event from before this moment." },
    {
      flag: "output",
      value: "path",
      file: true,
      description: "Where to; standard output unless said. The file is there only when it is whole.",
    },
  ],
  examples: ["legate audit export --output audit.jsonl", "legate audit export --from 2026-11-01T00:00:00Z | gzip > november.jsonl.gz"],
  act: async ({ world, globals, out, session }, typed) => {
    const { from, to } = { from: textOf(typed, "from"), to: textOf(typed, "to") };
    const query = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
    const parsed = operations.exportAuditEvents.query.safeParse(query);
    if (!parsed.success) throw misused(parsed.error.issues.map(({ path, message }) => `--${path.join(".")}: ${message}`).join("; "));
    const { endpoint, operatorKey } = session();
    if (operatorKey === undefined) throw new CommandFailure("unauthenticated", "An export takes the key of an admin or auditor.");
    const search = new URLSearchParams(query).toString();
    const url = `${endpoint}${operations.exportAuditEvents.path}${search === "" ? "" : `?${search}`}`;
    // A long export takes its time; only its beginning is waited for.
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), globals.timeoutMs);
    const response = await world
      .fetch(url, { headers: { authorization: `Bearer ${operatorKey}` }, redirect: "manual", signal: late.signal })
      .catch((): never => {
        throw new CommandFailure("unreachable", `No answer from ${endpoint}.`);
      })
      .finally(() => clearTimeout(timer));
    if (response.status !== 200 || !response.body) throw await refusal(response);
    const path = textOf(typed, "output");
    const partial = path === undefined ? undefined : `${path}.partial`;
    const file = partial === undefined ? undefined : createWriteStream(partial, { mode: 0o600 });
    const progress = out.progress();
    let bytes = 0;
    try {
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        bytes += chunk.length;
        if (file) {
          if (!file.write(chunk)) await once(file, "drain");
        } else await new Promise<void>((resolve, reject) => world.stdout.write(chunk, (error) => (error ? reject(error) : resolve())));
        if (file) progress.say(`${(bytes / 1024 / 1024).toFixed(1)} MiB`);
      }
      if (file && path !== undefined && partial !== undefined) {
        file.end();
        await once(file, "finish");
        renameSync(partial, path);
      }
    } catch (error) {
      if (partial !== undefined) rmSync(partial, { force: true });
      if ((error as { code?: unknown }).code === "EPIPE") throw error;
      throw new CommandFailure("failed", "The export broke off. What was written of it is not whole.");
    } finally {
      progress.done();
    }
    if (path !== undefined) await out.thing({ file: path, bytes });
  },
};

const refusal = async (response: Response): Promise<CommandFailure> => {
  const body = (await response.json().catch(() => ({}))) as { error?: { code?: unknown; message?: unknown; requestId?: unknown } };
  const ending = ({ 400: "usage", 401: "unauthenticated", 403: "forbidden" } as const)[response.status as 400] ?? "failed";
  const { code, message, requestId } = body.error ?? {};
  return new CommandFailure(ending, typeof message === "string" ? message : `The server answered ${response.status}.`, {
    ...(typeof code === "string" && { code }),
    ...(typeof requestId === "string" && { requestId }),
  });
};

/** The verifier stands alone: beside this program where it was packed, else in the repository. */
const verifier = (): string | undefined =>
  ["../audit-verify.mjs", "../../../../scripts/audit-verify.mjs"]
    .map((place) => fileURLToPath(new URL(place, import.meta.url)))
    .find((place) => existsSync(place));

const verify: Command = {
  path: ["audit", "verify"],
  summary: "Check an export by itself, without the server",
  about: "Exits with 0 where nothing is wrong, with 1 where anything is, and with 2 where it could not read what it was given.",
  arguments: [{ name: "file", description: "The export." }],
  options: [
    { flag: "keys", value: "path", file: true, description: "The key set that is trusted, as the server publishes it." },
    { flag: "since", value: "path", file: true, description: "An earlier export, or the token of its last line: the file must follow it." },
  ],
  examples: ["legate audit verify audit.jsonl", "legate audit verify audit.jsonl --keys keys.json --since last-month.jsonl"],
  act: async ({ out }, typed) => {
    const program = verifier();
    if (program === undefined)
      throw new CommandFailure(
        "failed",
        "The verifier is missing from this installation: take scripts/audit-verify.mjs of the repository.",
      );
    const options = (["keys", "since"] as const).flatMap((flag) => {
      const value = textOf(typed, flag);
      return value === undefined ? [] : [`--${flag}`, value];
    });
    // After `--` a file may be called as it likes.
    const args = [program, ...options, ...(out.json ? ["--json"] : []), "--", typed.words["file"] ?? ""];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    const said = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const)
      child[name].setEncoding("utf8").on("data", (text: string) => {
        said[name] += text;
      });
    const [code] = (await once(child, "close")) as [number | null];
    await out.raw(said.stdout);
    if (said.stderr !== "") out.note(said.stderr.trimEnd());
    return code ?? 1;
  },
};

/** Commands about the record of what happened. */
export const auditCommands: readonly Command[] = [tail, exportCommand, verify];
