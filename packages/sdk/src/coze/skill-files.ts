import { readFile, realpath } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parsed, recordOf } from "./shown.ts";

/** What the files around a skill say of it. */
export interface SkillContext {
  readonly agentId: string;
  readonly patToken: string;
  readonly skillId: string | undefined;
  readonly identityTicket: string | undefined;
}

/** Where the platform puts the identity ticket. */
export const ticketFile = "/source/ticket.json";

const filled = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);
const plain = (path: string): string => path.replaceAll("\\", "/").replaceAll(/^\/+|\/+$/g, "");

const textIn = (path: string): Promise<string | undefined> =>
  readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });

/** The path as the file system knows it, also where only its first part exists. */
const resolved = async (path: string): Promise<string> => {
  const whole = resolve(path);
  try {
    return await realpath(whole);
  } catch {
    const above = dirname(whole);
    return above === whole ? whole : join(await resolved(above), whole.slice(above.length));
  }
};

/** The folder `.coze/agents/<digits>` that a path leads through. */
const agentFolder = (path: string): { readonly folder: string; readonly agentId: string } | undefined => {
  const found = /^(.*?[\\/]\.coze[\\/]agents[\\/](\d+))(?:[\\/]|$)/.exec(path);
  return found ? { folder: found[1] ?? "", agentId: found[2] ?? "" } : undefined;
};

/** The first skill whose path is part of the source's. */
const skillIdFor = (skills: unknown, source: string): string | undefined => {
  if (!Array.isArray(skills)) return undefined;
  for (const skill of skills.map(recordOf)) {
    const path = filled(skill?.relPath);
    if (path === undefined || !plain(source).includes(plain(path))) continue;
    const id = filled(skill?.skillId || skill?.skillID);
    if (id !== undefined) return id;
  }
  return undefined;
};

const ticketIn = async (path: string): Promise<string | undefined> => {
  const text = await textIn(path).catch(() => undefined);
  return text === undefined ? undefined : filled(recordOf(parsed(text))?.IDENTITY_TICKET);
};

/**
 * Finds the skill that a source file belongs to; undefined where it belongs to no agent, or the agent's `config.json` has no token.
 *
 * @throws Error when the configuration cannot be read
 */
export const skillContext = async (source: string, tickets = ticketFile): Promise<SkillContext | undefined> => {
  const path = await resolved(source.startsWith("file:") ? fileURLToPath(source) : source);
  const agent = agentFolder(path);
  if (!agent) return undefined;
  const text = await textIn(join(agent.folder, "config.json"));
  if (text === undefined) return undefined;
  const content = parsed(text);
  if (content === undefined) throw new Error("the agent's config.json is not JSON");
  const config = recordOf(content);
  const patToken = filled(config?.patToken);
  if (patToken === undefined) return undefined;
  return { agentId: agent.agentId, patToken, skillId: skillIdFor(config?.skills, path), identityTicket: await ticketIn(tickets) };
};
