import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { CommandFailure, systemCode } from "./failure.ts";

/** Where a server is and the key to it. */
export interface Profile {
  readonly endpoint: string;
  readonly key: string;
}

/** What is stored between runs. */
export interface Profiles {
  /** The profile that is used where none is named. */
  readonly current: string;
  readonly profiles: Readonly<Record<string, Profile>>;
}

export const defaultProfile = "default";
const none: Profiles = { current: defaultProfile, profiles: {} };

/** What a profile may be called. */
export const isProfileName = (name: string): boolean => /^(?!__proto__$)[A-Za-z0-9_.-]{1,64}$/.test(name);

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const parse = (path: string, text: string): Profiles => {
  let stored: unknown;
  try {
    stored = JSON.parse(text);
  } catch {
    // Said below: what is in the file must not be quoted, for it holds keys.
  }
  const broken = new CommandFailure("failed", `${path} is not what \`legate login\` writes. Remove it and log in again.`);
  if (!isRecord(stored) || typeof stored["current"] !== "string" || !isRecord(stored["profiles"])) throw broken;
  const profiles: Record<string, Profile> = {};
  for (const [name, profile] of Object.entries(stored["profiles"])) {
    if (!isProfileName(name) || !isRecord(profile)) throw broken;
    const { endpoint, key } = profile;
    if (typeof endpoint !== "string" || typeof key !== "string") throw broken;
    profiles[name] = { endpoint, key };
  }
  return { current: stored["current"], profiles };
};

/** What the system says, without a stack, as a sentence. */
const unusable = (path: string, done: "read" | "written", error: unknown): unknown =>
  error instanceof CommandFailure || !(error instanceof Error) || !("syscall" in error)
    ? error
    : new CommandFailure("failed", `${path} cannot be ${done} (${systemCode(error)}).`);

/** Why a file's mode lets others at its keys; undefined where it does not. Windows has no such modes. */
export const exposureOf = (path: string, platform: NodeJS.Platform): string | undefined => {
  if (platform === "win32") return undefined;
  const found = statSync(path);
  const mode = found.mode & 0o777;
  return (mode & 0o077) === 0 || !found.isFile()
    ? undefined
    : `${path} holds keys and has mode ${mode.toString(8)}: others on this machine can get at it.`;
};

/** The stored profiles: none where there is no file, and none but a warning where others could have read or changed it. */
export const readProfiles = (path: string, platform: NodeJS.Platform, warn: (text: string) => void): Profiles => {
  try {
    const exposure = exposureOf(path, platform);
    if (exposure !== undefined) {
      warn(`${exposure} It is not read. Consider its keys known, or run: chmod 600 ${path}`);
      return none;
    }
    return parse(path, readFileSync(path, "utf8"));
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemCode(error))) return none;
    throw unusable(path, "read", error);
  }
};

/** For how long another process may hold the file, in tries and milliseconds between. */
const tries = 50;
const between = 100;
/** An abandoned lock is taken over when it is this old. */
const abandonedAfterMs = 30_000;

const openLock = async (lock: string, clock: () => number, sleep: (ms: number) => Promise<void>): Promise<number> => {
  for (let tried = 0; ; tried += 1) {
    try {
      return openSync(lock, "wx", 0o600);
    } catch (error) {
      if (systemCode(error) !== "EEXIST") throw error;
      let age = 0;
      try {
        age = clock() - statSync(lock).mtimeMs;
      } catch {
        continue;
      }
      if (age > abandonedAfterMs) {
        // Moved before it is removed: of two that take it over, one moves it.
        const away = `${lock}.${randomBytes(4).toString("hex")}`;
        try {
          renameSync(lock, away);
          rmSync(away, { force: true });
        } catch {
          // The other one did.
        }
      } else if (tried >= tries) {
        throw new CommandFailure("failed", `Another process is writing ${lock}. If none is, remove that file.`);
      } else await sleep(between);
    }
  }
};

export interface Guests {
  readonly platform: NodeJS.Platform;
  readonly clock: () => number;
  readonly sleep: (ms: number) => Promise<void>;
}

/**
 * Changes the stored profiles. The file is replaced as a whole, by one that only its owner can read; two processes that change it wait for each
 * other, and one that is killed leaves the former file. A file that is not read is not replaced either: its other profiles would be lost.
 */
export const changeProfiles = async (path: string, guests: Guests, change: (profiles: Profiles) => Profiles): Promise<Profiles> => {
  const lock = `${path}.lock`;
  let file: number;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    file = await openLock(lock, guests.clock, guests.sleep);
  } catch (error) {
    throw unusable(path, "written", error);
  }
  try {
    const refuse = (exposure: string): never => {
      throw new CommandFailure("failed", `${exposure} So nothing is changed. Run chmod 600 ${path}, or remove it.`);
    };
    const changed = change(readProfiles(path, guests.platform, refuse));
    try {
      writeSync(file, `${JSON.stringify(changed, undefined, 2)}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(lock, path);
    return changed;
  } catch (error) {
    rmSync(lock, { force: true });
    throw unusable(path, "written", error);
  }
};
