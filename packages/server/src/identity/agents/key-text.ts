import { crc32 } from "node:zlib";
import type { Random } from "../../ground/kernel/index.ts";

/**
 * Keys of one prefix: the prefix, 56 random hex digits, and 8 of a CRC-32 over what stands before, so that scanners and typos are caught without a
 * look-up.
 */
export const keyText = (prefix: `${string}_`) => {
  const checksum = (hex: string): string => crc32(`${prefix}${hex}`).toString(16).padStart(8, "0");
  const form = new RegExp(`^${prefix}[0-9a-f]{64}$`);
  const begin = prefix.length;
  return {
    make: (random: Random): string => {
      const hex = random(28).toString("hex");
      return `${prefix}${hex}${checksum(hex)}`;
    },
    /** Whether a text has this form, checksum included. */
    is: (text: string): boolean => form.test(text) && checksum(text.slice(begin, begin + 56)) === text.slice(begin + 56),
  };
};

/** What a list shows to tell keys apart. */
export const hintOf = (key: string): string => key.slice(0, 9);
