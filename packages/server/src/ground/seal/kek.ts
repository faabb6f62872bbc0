import { createHash } from "node:crypto";
import { closeSync, constants, existsSync, fstatSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Random } from "../kernel/index.ts";
import { decrypt, encrypt, SealBroken } from "./cipher.ts";

/** A copy with memory of its own: a short buffer is a piece of one of 8 KiB, which stays as long as any piece of it does. */
const inItsOwn = (bytes: Buffer): Buffer => {
  const own = Buffer.alloc(bytes.length);
  bytes.copy(own);
  return own;
};

/** A key-encryption key: it wraps data keys and peppers, and never leaves its holder. */
export interface Kek {
  /** Tells which key wraps; says nothing about the key. */
  readonly id: string;
  /** The id of a second key that also opens what it wrapped, while the one is changed for the other. */
  readonly also: string | undefined;
  wrap(identity: string, key: Buffer): string;
  /**
   * The key has memory of its own, for it may be kept.
   * @param by the id of the key that wrapped it
   * @throws SealBroken when that key was not given, or the text is not what it wrapped
   */
  unwrap(by: string, identity: string, wrapped: string): Buffer;
}

const keyBytes = 32;

const idOf = (key: Buffer): string => createHash("sha256").update("legate kek id\0").update(key).digest("hex").slice(0, 16);

/**
 * @param key wraps, and opens what it wrapped: 32 bytes
 * @param also only opens: 32 bytes
 */
export const kekFrom = (key: Buffer, random: Random, also?: Buffer): Kek => {
  const given = also && !also.equals(key) ? [key, also] : [key];
  if (given.some(({ length }) => length !== keyBytes)) throw new TypeError("A master key is 32 bytes long.");
  const byId = new Map(given.map((each) => [idOf(each), each]));
  const [id = "", second] = byId.keys();
  return {
    id,
    also: second,
    wrap: (identity, inner) => encrypt(key, `kek/${identity}`, inner, random),
    unwrap: (by, identity, wrapped) => {
      const opens = byId.get(by);
      if (!opens) throw new SealBroken("A key is wrapped by another master key than the one given.");
      return inItsOwn(decrypt(opens, `kek/${identity}`, wrapped));
    },
  };
};

const makeDurable = (directory: string): void => {
  const handle = openSync(directory, constants.O_RDONLY);
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
};

const readKey = (path: string): Buffer => {
  const handle = openSync(path, constants.O_RDONLY);
  try {
    if (process.platform !== "win32" && (fstatSync(handle).mode & 0o077) !== 0) {
      throw new SealBroken(`The master key file ${path} can be read by others. Set its mode to 600 if you trust it still.`);
    }
    const key = Buffer.from(readFileSync(handle, "utf8").trim(), "base64url");
    if (key.length !== keyBytes) throw new SealBroken(`The master key file ${path} does not hold a 32-byte key.`);
    return key;
  } finally {
    closeSync(handle);
  }
};

/**
 * Reads the master key file, or makes it (mode 600) where there is none.
 * @throws SealBroken when others may read it or it does not hold a key: a key that leaked is not used silently
 */
export const masterKeyFile = (path: string, random: Random): Buffer => {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (!existsSync(path)) {
    const handle = openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600);
    try {
      writeSync(handle, `${random(keyBytes).toString("base64url")}\n`);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    makeDurable(dirname(path));
  }
  return readKey(path);
};

/** Reads the file of a former master key, where there is one. @throws SealBroken as {@link masterKeyFile} */
export const oldMasterKeyFile = (path: string): Buffer | undefined => (existsSync(path) ? readKey(path) : undefined);

/** Where the master key file of a data directory is. */
export const masterKeyPath = (dataDir: string): string => join(dataDir, "master.key");

/** Where the former one is put while the key is changed. */
export const oldMasterKeyPath = (dataDir: string): string => join(dataDir, "master.key.old");
