import { createCipheriv, createDecipheriv } from "node:crypto";
import type { Random } from "../kernel/index.ts";

const ivBytes = 12;
const tagBytes = 16;

/** The stored text is not what was sealed for this place: it was altered, moved to another row, or its key is another. */
export class SealBroken extends Error {}

/** AES-256-GCM; answers base64url of nonce, ciphertext and tag. `identity` is bound to the text: elsewhere it does not open. */
export const encrypt = (key: Buffer, identity: string, plaintext: Buffer, random: Random): string => {
  const iv = random(ivBytes);
  const cipher = createCipheriv("aes-256-gcm", key, iv, { authTagLength: tagBytes });
  cipher.setAAD(Buffer.from(identity, "utf8"));
  return Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]).toString("base64url");
};

/** @throws SealBroken */
export const decrypt = (key: Buffer, identity: string, text: string): Buffer => {
  const bytes = Buffer.from(text, "base64url");
  if (bytes.length < ivBytes + tagBytes) throw new SealBroken("A sealed text is too short.");
  const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, ivBytes), { authTagLength: tagBytes });
  decipher.setAAD(Buffer.from(identity, "utf8"));
  decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(ivBytes, bytes.length - tagBytes)), decipher.final()]);
  } catch (cause) {
    throw new SealBroken("A sealed text does not open where it stands.", { cause });
  }
};
