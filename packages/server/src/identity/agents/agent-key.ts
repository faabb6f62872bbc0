import { crc32 } from "node:zlib";
import type { Random } from "../../ground/kernel/index.ts";

/** An agent's API key as it may be shown again: never the key itself. */
export interface AgentKey {
  readonly id: string;
  readonly description: string | undefined;
  /** The first characters of the key. */
  readonly hint: string;
  readonly createdAt: number;
  /** Within a minute. */
  readonly lastUsedAt: number | undefined;
}

export const newAgentKeyId = (random: Random): string => `key_${random(12).toString("hex")}`;

const checksum = (hex: string): string => crc32(`sk_${hex}`).toString(16).padStart(8, "0");

/** `sk_`, 56 random hex digits, and 8 of a CRC-32 over what stands before, so that scanners and typos are caught without a look-up. */
export const newApiKey = (random: Random): string => {
  const hex = random(28).toString("hex");
  return `sk_${hex}${checksum(hex)}`;
};

/** Whether a text has the form of an API key, checksum included. */
export const isApiKey = (text: string): boolean => /^sk_[0-9a-f]{64}$/.test(text) && checksum(text.slice(3, 59)) === text.slice(59);

/** What a list shows to tell keys apart. */
export const hintOf = (apiKey: string): string => apiKey.slice(0, 9);
