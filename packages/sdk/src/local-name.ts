import { randomBytes } from "node:crypto";
import { link, open, readFile, rm } from "node:fs/promises";
import { resolve } from "node:path";
import { agentName } from "@legate/contract";
import { ConfigurationError } from "./errors.ts";

const codeOf = (error: unknown): unknown => (error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined);

const read = async (path: string): Promise<string | undefined> => {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw new ConfigurationError(`${path} cannot be read (${String(codeOf(error))}).`);
  }
  try {
    const content: unknown = JSON.parse(text);
    const name = typeof content === "object" && content !== null && "agent" in content ? content.agent : undefined;
    const parsed = agentName.safeParse(name);
    if (parsed.success) return parsed.data;
  } catch {
    // Said below.
  }
  throw new ConfigurationError(`${path} does not hold an agent's name as {"agent":"..."}. Delete it, and a new name is made.`);
};

/** Puts the whole file there at once, or finds that another process was first. */
const place = async (path: string, content: string): Promise<boolean> => {
  const draft = `${path}.${process.pid}-${randomBytes(4).toString("hex")}`;
  try {
    const file = await open(draft, "wx");
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    // Unlike a rename, a link never replaces what is there.
    await link(draft, path);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw new ConfigurationError(`${path} cannot be written (${String(codeOf(error))}). Name the agent with \`agent\` or LEGATE_AGENT.`);
  } finally {
    await rm(draft, { force: true }).catch(() => undefined);
  }
};

/**
 * The agent's name for development: what the file says, else a new one, `workload-` and 8 hex digits, which is written there once. Processes
 * that start at the same time agree on it.
 *
 * @throws ConfigurationError when the file cannot be read, written or understood.
 */
export const localAgentName = async (
  file = ".legate-agent.json",
  say: (line: string) => void = (line) => process.stderr.write(`${line}\n`),
): Promise<string> => {
  const path = resolve(file);
  const known = await read(path);
  if (known !== undefined) return known;
  const name = `workload-${randomBytes(4).toString("hex")}`;
  if (await place(path, `${JSON.stringify({ agent: name })}\n`)) {
    say(`legate: no agent is named, so ${name} was made up; ${path} remembers it.`);
    return name;
  }
  const theirs = await read(path);
  if (theirs === undefined) throw new ConfigurationError(`${path} was removed while it was being read.`);
  return theirs;
};
