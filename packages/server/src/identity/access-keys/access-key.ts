import { createHmac } from "node:crypto";
import type { Random } from "../../ground/kernel/index.ts";
import { keyText } from "../agents/index.ts";

/** A lasting access key as it may be shown again: never its secret. */
export interface AccessKey {
  readonly id: string;
  /** The operator whose key it is; left out where it is an agent's. */
  readonly operator: string | undefined;
  /** The agent whose key it is. */
  readonly agent: { readonly id: string; readonly name: string } | undefined;
  readonly description: string | undefined;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Within a minute. */
  readonly lastUsedAt: number | undefined;
}

/** A temporary access key as handed out: neither secret nor token can be read again. */
export interface TemporaryKey {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  readonly securityToken: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** Whom a temporary key is for, and in which epochs it was given: whatever moves on takes it along. */
export interface KeySession {
  readonly user: { readonly id: string; readonly epoch: number } | undefined;
  readonly agentEpoch: number;
  /** The agent's: it moves on when the agent gets another role. */
  readonly roleEpoch: number;
  readonly tenantEpoch: number;
  readonly roleArn: string;
  /** The role's id; none where no row has the role. */
  readonly roleId: string | undefined;
  readonly name: string;
  /** The JSON policy document that narrows it. */
  readonly policy: string | undefined;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** What the id of a live key leads to. */
export interface KeyHolder {
  readonly tenant: string;
  readonly id: string;
  /** Whose it is: an operator's, always an admin's; an agent's; or an agent's for a while, in a role. */
  readonly of:
    | { readonly kind: "operator"; readonly id: string }
    | { readonly kind: "agent"; readonly id: string }
    | { readonly kind: "session"; readonly id: string; readonly session: KeySession };
}

const lasting = /^ak_[0-9a-f]{32}$/;
const temporary = /^tk_[0-9a-f]{32}$/;

export const newAccessKeyId = (random: Random): string => `ak_${random(16).toString("hex")}`;
export const newTemporaryKeyId = (random: Random): string => `tk_${random(16).toString("hex")}`;
/** Whether a text has the form of an id of a temporary key. */
export const isTemporaryKeyId = (text: string): boolean => temporary.test(text);
/** Whether a text has the form of an id of a key, lasting or temporary. */
export const isKeyId = (text: string): boolean => lasting.test(text) || isTemporaryKeyId(text);

export const { make: newSecret } = keyText("aks_");
export const { make: newSecurityToken } = keyText("st_");

/** What is kept of a security token: whoever has the store and not the secret, which is sealed there, cannot tell a token from a guess. */
export const tokenHash = (secret: string, token: string): string => createHmac("sha256", secret).update(token, "utf8").digest("base64url");
