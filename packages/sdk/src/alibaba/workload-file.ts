import { randomBytes } from "node:crypto";
import { link, open, readFile, readlink, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { ConfigurationError } from "../errors.ts";
import { pause } from "../pause.ts";

/** Where a file is, whatever folder one stands in. */
export const wholePath = (path: string): string => resolve(path);

const codeOf = (error: unknown): string => (error instanceof Error ? String((error as NodeJS.ErrnoException).code) : "");
/** Nothing can be kept here: neither is anything wrong. */
const unwritable = new Set(["EROFS", "EACCES", "EPERM", "ENOSPC", "EDQUOT"]);
/** What file systems without hard links answer. */
const linkless = new Set(["ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EPERM"]);
const field = "workload_identity_name";
const pollMs = 20;

/** How the file is written. */
export interface Disk {
  /** Gives a file a second name, which must be free. */
  readonly link?: (from: string, to: string) => Promise<void>;
  /** Milliseconds after which a lock counts as left behind: a write takes far less. 5,000 unless set. */
  readonly staleMs?: number;
}

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
    const content: unknown = JSON.parse(text.replace(/^\ufeff/, ""));
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

/** What a path leads to in the end, though nothing may be there yet: a link stays one. */
const placeOf = async (path: string): Promise<string> => {
  try {
    return await realpath(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") return path;
  }
  const target = await readlink(path).catch(() => undefined);
  return target === undefined ? path : placeOf(resolve(dirname(path), target));
};

/** Puts the whole file there at once. A new file never replaces what is there; one that holds other things is replaced whole, and read by the same people. */
const place = async (path: string, content: Content, isNew: boolean, join: NonNullable<Disk["link"]>): Promise<void> => {
  const draft = `${path}.${process.pid}-${randomBytes(4).toString("hex")}`;
  const old = isNew ? undefined : await stat(path);
  try {
    const file = await open(draft, "wx", old ? 0o600 : 0o666);
    try {
      await file.writeFile(`${JSON.stringify(content, null, 2)}\n`);
      if (old) {
        // Only who may give files away can keep another's file theirs.
        await file.chown(old.uid, old.gid).catch(() => undefined);
        await file.chmod(old.mode & 0o777);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    const replace = () => rename(draft, path);
    if (old) await replace();
    else await join(draft, path).catch((error: unknown) => (linkless.has(codeOf(error)) ? replace() : Promise.reject(error)));
  } catch (error) {
    // Another process was first: what it wrote is read.
    if (codeOf(error) !== "EEXIST") throw error;
  } finally {
    await rm(draft, { force: true }).catch(() => undefined);
  }
};

/** Does something while nobody else does. A lock that stays the same for too long was left behind by a process that died. */
const alone = async <T>(path: string, staleMs: number, act: () => Promise<T>): Promise<T> => {
  const lock = `${path}.legate-lock`;
  const seen = () =>
    stat(lock).then(
      ({ ino, mtimeMs }) => `${ino} ${mtimeMs}`,
      () => undefined,
    );
  for (let waited = 0, first = await seen(); ; waited += pollMs) {
    try {
      await (await open(lock, "wx")).close();
      break;
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
    }
    const now = await seen();
    if (now !== first) [first, waited] = [now, 0];
    else if (now !== undefined && waited >= staleMs) await rm(lock, { force: true });
    await pause(pollMs);
  }
  try {
    return await act();
  } finally {
    await rm(lock, { force: true }).catch(() => undefined);
  }
};

/** The workload's name in the file, as the original client keeps it, or undefined. @throws ConfigurationError when the file cannot be read or understood */
export const namedInFile = async (file: string): Promise<string | undefined> => nameIn(await read(resolve(file)));

/**
 * Keeps a name in the file, beside whatever else stands there, and answers the one that stands there in the end: another process may have been first. Where
 * nothing can be written the name is good for this process alone.
 */
export const keptInFile = async (
  file: string,
  name: string,
  say: (line: string) => void,
  { link: join = link, staleMs = 5_000 }: Disk = {},
): Promise<string> => {
  const path = await placeOf(resolve(file));
  const known = nameIn(await read(path));
  if (known !== undefined) return known;
  try {
    await alone(path, staleMs, async () => {
      const before = await read(path);
      if (nameIn(before) === undefined) await place(path, { ...before, [field]: name }, before === undefined, join);
    });
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
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
