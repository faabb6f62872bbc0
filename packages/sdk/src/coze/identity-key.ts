import { createHash } from "node:crypto";
import type { Settings } from "./settings.ts";

/** Tells one identity from another: what tokens are asked with, and where. A hash, so that the cache's keys hold no secret. */
export const identityKey = (of: Pick<Settings, "tokenEndpoint" | "accessTokenEndpoint" | "clientId" | "clientSecret" | "lane">): string =>
  createHash("sha256")
    .update(JSON.stringify([of.tokenEndpoint, of.accessTokenEndpoint, of.clientId, of.clientSecret, of.lane]))
    .digest("hex");
