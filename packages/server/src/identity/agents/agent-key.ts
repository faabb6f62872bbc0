import type { Random } from "../../ground/kernel/index.ts";
import { keyText } from "./key-text.ts";

/** An agent's API key, or client secret, as it may be shown again: never the key itself. */
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

export const { make: newApiKey, is: isApiKey } = keyText("sk_");
