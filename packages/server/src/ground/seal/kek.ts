import { createHash } from "node:crypto";
import { closeSync, constants, existsSync, fstatSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Random } from "../kernel/index.ts";
import { decrypt, encrypt, SealBroken } from "./cipher.ts";

/** A key-encryption key: it wraps data keys and peppers, and never leaves its holder. */
export interface Kek {
  /** Tells which key wrapped a row; says nothing about the key. */
  readonly id: string;
  wrap(identity: string, key: Buffer): string;
  /** @throws SealBroken */
  unwrap(identity: string, wrapped: string): Buffer;
}

const keyBytes = 32;

/** @param key 32 bytes */
export const kekFrom = (key: Buffer, random: Random): Kek => {
  if (key.length !== keyBytes) throw new TypeError("A master key is 32 bytes long.");
  return {
    id: createHash("sha256").update("legate kek id\0").update(key).digest("hex").slice(0, 16),
    wrap: (identity, inner) => encrypt(key, `kek/${identity}`, inner, random),
    unwrap: (identity, wrapped) => decrypt(key, `kek/${identity}`, wrapped),
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

/** Where the master key file of a data directory is. */
export const masterKeyPath = (dataDir: string): string => join(dataDir, "master.key");
