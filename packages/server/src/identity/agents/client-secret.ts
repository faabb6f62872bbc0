import type { Random } from "../../ground/kernel/index.ts";
import { keyText } from "./key-text.ts";

export const newClientSecretId = (random: Random): string => `sec_${random(12).toString("hex")}`;

export const { make: newClientSecret, is: isClientSecret } = keyText("cs_");

/** What is hashed of a client secret: with the client it belongs to, so that it is unknown at any other. */
export const boundTo = (agentId: string, secret: string): string => `${agentId}/${secret}`;
