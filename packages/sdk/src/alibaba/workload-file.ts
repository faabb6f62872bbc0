import { randomBytes } from "node:crypto";
import { link, open, readFile, rename, rm } from "node:fs/promises";
import { resolve } from "node:path";
import { ConfigurationError } from "../errors.ts";

const codeOf = (error: unknown): string => (error instanceof Error ? String((error as NodeJS.ErrnoException).code) : "");
/** Nothing can be kept here: neither is anything wrong. */
const unwritable = new Set(["EROFS", "EACCES", "EPERM", "ENOSPC", "EDQUOT"]);
const field = "workload_identity_name";

type Content = Readonly<Record<string, unknown>>;

const read = async (path: string): Promise<Content | undefined> => {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw new ConfigurationError(`${path} cannot be read (${codeOf(error)}).`);
  }
  try {
    const content: unknown = JSON.parse(text);
    if (typeof content === "object" && content !== null && !Array.isArray(content)) return content as Content;
  } catch {
    // Said below.
  }
  throw new ConfigurationError(
    `${path} is no JSON object. Delete it, or name the workload with \`workloadName\` or AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME.`,
  );
};

const nameIn = (content: Content | undefined): string | undefined => {
  const name = content?.[field];
  return typeof name === "string" && name !== "" ? name : undefined;
};

/** Puts the whole file there at once. A new file never replaces what is there; one that holds other things is replaced whole. */
const place = async (path: string, content: Content, isNew: boolean): Promise<void> => {
  const draft = `${path}.${process.pid}-${randomBytes(4).toString("hex")}`;
  try {
    const file = await open(draft, "wx");
    try {
      await file.writeFile(`${JSON.stringify(content, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    if (isNew) await link(draft, path);
    else await rename(draft, path);
  } catch (error) {
    // Another process was first: what it wrote is read.
    if (codeOf(error) !== "EEXIST") throw error;
  } finally {
    await rm(draft, { force: true }).catch(() => undefined);
  }
};

/** The workload's name in the file, as the original client keeps it, or undefined. @throws ConfigurationError when the file cannot be read or understood */
export const namedInFile = async (file: string): Promise<string | undefined> => nameIn(await read(resolve(file)));

/**
 * Keeps a name in the file, beside whatever else stands there, and answers the one that stands there in the end: another process may have been first. Where
 * nothing can be written the name is good for this process alone.
 */
export const keptInFile = async (file: string, name: string, say: (line: string) => void): Promise<string> => {
  const path = resolve(file);
  const before = await read(path);
  const known = nameIn(before);
  if (known !== undefined) return known;
  try {
    await place(path, { ...before, [field]: name }, before === undefined);
  } catch (error) {
    if (!unwritable.has(codeOf(error))) throw new ConfigurationError(`${path} cannot be written (${codeOf(error)}).`);
    say(
      `legate: the workload ${name} was made up, and ${path} cannot remember it (${codeOf(error)}): name one by AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME.`,
    );
    return name;
  }
  const stands = nameIn(await read(path));
  if (stands === undefined) throw new ConfigurationError(`${path} was changed while it was being written.`);
  if (stands === name) say(`legate: no workload is named, so ${name} was made up; ${path} remembers it.`);
  return stands;
};
