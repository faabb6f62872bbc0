import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { operations } from "@legate/contract";
import type { AuditEvent, LegateClient } from "@legate/sdk";
import { type Command, type Context, isOn, textOf, type Typed } from "../command.ts";
import { CommandFailure, misused } from "../failure.ts";
import { cellOf } from "../output/index.ts";
import { exportCommand } from "./audit-export.ts";

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
    if (code === 2 && said.stdout === "") throw misused(said.stderr.trim());
    await out.raw(said.stdout);
    if (said.stderr !== "") out.note(said.stderr.trimEnd());
    return code ?? 1;
  },
};

/** Commands about the record of what happened. */
export const auditCommands: readonly Command[] = [tail, exportCommand, verify];
