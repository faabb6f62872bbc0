import { z } from "zod";
import { moment, pageOf, pageQuery } from "./fields.ts";
import { operation } from "./operation.ts";

/** A signing key as answered: never its private half. */
export const signingKey = z.object({
  id: z.string().describe("The `kid`."),
  alg: z.literal("ES256"),
  status: z
    .enum(["published", "signing", "retired", "revoked"])
    .describe("Published: in the key set, before or after its time to sign. Retired: gone from it. Revoked: gone, and not to be believed."),
  createdAt: moment,
  signsFrom: moment,
  expiresAt: moment.optional().describe("When it leaves the key set, or left it; absent while it has no successor."),
  revokedAt: moment.optional(),
});

const count = z.number().int().min(0);

/** A data key as answered: never the key. */
export const dataKey = z.object({
  id: z.string(),
  seals: z.boolean().describe("Whether it is the one that seals."),
  createdAt: moment,
  left: z
    .record(z.string(), count)
    .optional()
    .describe("How many sealed texts of it are left to be sealed anew, by what they belong to; absent for the one that seals."),
  unneededSince: moment.optional().describe("Since when nothing needs it. It is removed an hour later, if nothing does then."),
});

const rewrapping = z.object({ total: count, rewrapped: count });

/** The master key as answered: which it is, never the key. */
export const masterKey = z.object({
  id: z.string().describe("Tells which key it is, and nothing about it."),
  dataKeys: rewrapping,
  peppers: rewrapping,
  oldKeyNeeded: z.boolean().describe("Whether anything is wrapped by another master key than this one."),
  damaged: z
    .array(z.object({ id: z.string(), tenant: z.string().optional().describe("Whose data key it is; absent for a pepper.") }))
    .describe("Keys that the former master key wraps and cannot open as they stand, 50 at most: they are left, and it stays needed."),
});

/** A pepper as answered: never the pepper. */
export const pepper = z.object({
  id: z.string(),
  hashes: z.boolean().describe("Whether new keys are hashed with it."),
  createdAt: moment,
  keys: z.record(z.string(), count).describe("How many keys can be looked up by it alone, by what they are."),
  unneededSince: moment.optional().describe("Since when no key needs it. It is removed an hour later, if none does then."),
});

const noun = "Keys";
const read = ["admin", "operator", "auditor"] as const;
const write = ["admin"] as const;
const installation = ["installation-admin"] as const;

export const listSigningKeys = operation({
  id: "listSigningKeys",
  noun,
  summary: "List every signing key there ever was, newest first",
  method: "GET",
  path: "/v1/signing-keys",
  rights: read,
  query: pageQuery,
  answer: pageOf(signingKey),
  status: 200,
  refusals: [],
});
export const rotateSigningKey = operation({
  id: "rotateSigningKey",
  noun,
  summary: "Have the next signing key sign ten minutes after it was published",
  method: "POST",
  path: "/v1/signing-keys",
  rights: write,
  answer: signingKey,
  status: 201,
  refusals: [],
});
export const revokeSigningKey = operation({
  id: "revokeSigningKey",
  noun,
  summary: "End a stolen signing key and everything it signed; a fresh one signs at once",
  method: "POST",
  path: "/v1/signing-keys/{id}/revoke",
  rights: write,
  params: z.strictObject({ id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/) }),
  answer: signingKey,
  status: 200,
  refusals: ["key_unknown"],
});
export const listDataKeys = operation({
  id: "listDataKeys",
  noun,
  summary: "List the tenant's data keys, and how much is left to be sealed anew",
  method: "GET",
  path: "/v1/data-keys",
  rights: read,
  query: pageQuery,
  answer: pageOf(dataKey),
  status: 200,
  refusals: [],
});
export const rotateDataKey = operation({
  id: "rotateDataKey",
  noun,
  summary: "Make a data key that seals from now on, and seal everything anew under it",
  method: "POST",
  path: "/v1/data-keys",
  rights: write,
  answer: dataKey,
  status: 201,
  refusals: [],
});
export const getMasterKey = operation({
  id: "getMasterKey",
  noun,
  summary: "Read which master key is in use, and whether the former one is needed still",
  method: "GET",
  path: "/v1/master-key",
  rights: installation,
  answer: masterKey,
  status: 200,
  refusals: [],
});
export const listPeppers = operation({
  id: "listPeppers",
  noun,
  summary: "List the peppers that keys are hashed with, and how many keys need each",
  method: "GET",
  path: "/v1/peppers",
  rights: installation,
  query: pageQuery,
  answer: pageOf(pepper),
  status: 200,
  refusals: [],
});
export const rotatePepper = operation({
  id: "rotatePepper",
  noun,
  summary: "Make a pepper that new keys are hashed with; other keys move to it when they are next used",
  method: "POST",
  path: "/v1/peppers",
  rights: installation,
  answer: pepper,
  status: 201,
  refusals: [],
});
