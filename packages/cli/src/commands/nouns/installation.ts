import { operations as op } from "@legate/contract";
import type { Noun } from "../../noun.ts";

/** Who runs it, and the keys that it signs and seals with. */
export const installation: readonly Noun[] = [
  {
    path: ["operators"],
    summary: "Operators: people and scripts that run a tenant",
    one: "operator",
    columns: ["name", "id", "role", "hint", "expiresAt", "lastUsedAt"],
    samples: { name: "deploy", id: "opr_0b7c" },
    verbs: {
      list: { operation: op.listOperators },
      get: { operation: op.getOperator },
      create: { operation: op.createOperator, words: ["name"], shows: "key", example: "--role operator --if-not-exists" },
      update: { operation: op.updateOperator, example: "--role auditor" },
      delete: { operation: op.deleteOperator, example: "--if-exists" },
      "rotate-key": { operation: op.rotateOperatorKey, shows: "key" },
    },
  },
  {
    path: ["tenants"],
    summary: "Tenants, for an admin of the installation",
    one: "tenant",
    columns: ["name", "status", "accountId", "issuer", "createdAt"],
    samples: { name: "acme" },
    verbs: {
      list: { operation: op.listTenants },
      get: { operation: op.getTenant },
      create: { operation: op.createTenant, words: ["name"], shows: "adminKey", example: "--if-not-exists" },
      delete: { operation: op.deleteTenant, example: "--if-exists" },
      suspend: { operation: op.suspendTenant },
      resume: { operation: op.resumeTenant },
    },
  },
  {
    path: ["signing-keys"],
    summary: "Signing keys: what Legate signs tokens with",
    one: "signing key",
    columns: ["id", "alg", "status", "signsFrom", "expiresAt", "revokedAt"],
    samples: { id: "0b7c" },
    verbs: {
      list: { operation: op.listSigningKeys },
      rotate: { operation: op.rotateSigningKey },
      revoke: { operation: op.revokeSigningKey },
    },
  },
  {
    path: ["data-keys"],
    summary: "Data keys: what stored secrets are sealed with",
    one: "data key",
    columns: ["id", "seals", "createdAt", "left", "unneededSince"],
    samples: {},
    verbs: { list: { operation: op.listDataKeys }, rotate: { operation: op.rotateDataKey } },
  },
  {
    path: ["master-key"],
    summary: "The master key, for an admin of the installation",
    one: "master key",
    columns: [],
    samples: {},
    verbs: { get: { operation: op.getMasterKey } },
  },
  {
    path: ["peppers"],
    summary: "Peppers that keys are hashed with, for an admin of the installation",
    one: "pepper",
    columns: ["id", "hashes", "createdAt", "keys", "unneededSince"],
    samples: {},
    verbs: { list: { operation: op.listPeppers }, rotate: { operation: op.rotatePepper } },
  },
];
