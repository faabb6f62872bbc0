import { operations as op } from "@legate/contract";
import type { Noun } from "../../noun.ts";

/** Apps that people use, what they may ask tokens for, and what people granted. */
export const oauth: readonly Noun[] = [
  {
    path: ["clients"],
    summary: "Clients: apps that people use",
    one: "client",
    columns: ["name", "id", "status", "redirectUris", "title~"],
    samples: { name: "console" },
    verbs: {
      list: { operation: op.listClients },
      get: { operation: op.getClient },
      create: { operation: op.createClient, words: ["name"], example: "--redirect-uri https://app.example.com/callback --if-not-exists" },
      update: { operation: op.updateClient, example: "--title 'The console'" },
      delete: { operation: op.deleteClient, example: "--if-exists" },
      suspend: { operation: op.suspendClient },
      resume: { operation: op.resumeClient },
    },
  },
  {
    path: ["resources"],
    summary: "Resources: what OAuth clients may ask tokens for",
    one: "resource",
    columns: ["name", "id", "identifier", "scopes~"],
    samples: { name: "mail" },
    verbs: {
      list: { operation: op.listResources },
      get: { operation: op.getResource },
      create: {
        operation: op.createResource,
        words: ["name"],
        example: "--identifier https://mail.example.com/ --scope read --if-not-exists",
      },
      update: { operation: op.updateResource, example: "--scope read --scope send" },
      delete: { operation: op.deleteResource, example: "--if-exists" },
    },
  },
  {
    path: ["grants"],
    summary: "Grants: what people granted OAuth clients",
    one: "grant",
    columns: ["id", "client", "user", "resource", "scopes~"],
    samples: { id: "gnt_0b7c" },
    verbs: {
      list: { operation: op.listGrants },
      get: { operation: op.getGrant },
      delete: { operation: op.deleteGrant, example: "--if-exists" },
    },
  },
];
