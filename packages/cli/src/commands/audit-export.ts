import { open, rename, rm } from "node:fs/promises";
import { operations } from "@legate/contract";
import { LegateApiError } from "@legate/sdk";
import { type Command, type Context, textOf } from "../command.ts";
import { CommandFailure, misused, systemCode } from "../failure.ts";

/** A file that is there under its own name only when it is whole. */
interface Draft {
  readonly write: (chunk: Uint8Array) => Promise<void>;
  readonly keep: () => Promise<void>;
  /** Leaves nothing behind. */
  readonly leave: () => Promise<void>;
  readonly path: string;
}

const openDraft = async (path: string, partial: string): Promise<Draft> => {
  const unwritable = (error: unknown): never => {
    throw misused(`${path} cannot be written (${systemCode(error)}).`);
  };
  const file = await open(partial, "wx", 0o600).catch(unwritable);
  return {
    path,
    write: (chunk) => file.writeFile(chunk).catch(unwritable),
    keep: async () => {
      await file.sync();
      await file.close();
      await rename(partial, path).catch(unwritable);
    },
    leave: async () => {
      await file.close().catch(() => undefined);
      await rm(partial, { force: true });
    },
  };
};

/** Why an export was refused, as any other refusal is told. */
const refusal = async (response: Response): Promise<LegateApiError> => {
  const body = (await response.json().catch(() => undefined)) as
    | { error?: { code?: unknown; message?: unknown; requestId?: unknown; details?: unknown } }
    | undefined;
  const { code, message, requestId, details } = body?.error ?? {};
  const isOurs = typeof code === "string" && typeof message === "string";
  return new LegateApiError(isOurs ? message : `What answered, with status ${response.status}, does not speak Legate's wire.`, {
    code: isOurs ? code : "unexpected_answer",
    status: response.status,
    requestId: typeof requestId === "string" ? requestId : undefined,
    retryAfter: undefined,
    details: typeof details === "object" && details !== null ? (details as Readonly<Record<string, unknown>>) : {},
  });
};

/** Receives an export, into a file or to standard output. */
const receive = async (
  { world, globals, out }: Context,
  query: Readonly<Record<string, string>>,
  { endpoint, operatorKey }: { readonly endpoint: string; readonly operatorKey: string },
  file: Draft | undefined,
): Promise<void> => {
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
  const progress = out.progress();
  let bytes = 0;
  try {
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      if (file) {
        await file.write(chunk);
        progress.say(`${(bytes / 1024 / 1024).toFixed(1)} MiB`);
      } else await new Promise<void>((resolve, reject) => world.stdout.write(chunk, (error) => (error ? reject(error) : resolve())));
    }
    await file?.keep();
  } catch (error) {
    if (error instanceof CommandFailure || systemCode(error) === "EPIPE") throw error;
    throw new CommandFailure("failed", "The export broke off. What was written of it is not whole.");
  } finally {
    progress.done();
  }
  if (file) await out.thing({ file: file.path, bytes });
};

/** Writes the record of what happened, with what proves it. */
export const exportCommand: Command = {
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
  act: async (context, typed) => {
    const { world, session } = context;
    const { from, to } = { from: textOf(typed, "from"), to: textOf(typed, "to") };
    const query = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
    const parsed = operations.exportAuditEvents.query.safeParse(query);
    if (!parsed.success) throw misused(parsed.error.issues.map(({ path, message }) => `--${path.join(".")}: ${message}`).join("; "));
    const { endpoint, operatorKey } = session();
    if (operatorKey === undefined) throw new CommandFailure("unauthenticated", "An export takes the key of an admin or auditor.");
    const path = textOf(typed, "output");
    const file = path === undefined ? undefined : await openDraft(path, `${path}.${world.randomHex(4)}.partial`);
    try {
      await receive(context, query, { endpoint, operatorKey }, file);
    } catch (error) {
      await file?.leave();
      throw error;
    }
  },
};
