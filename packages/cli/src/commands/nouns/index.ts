/** What can be managed, and by which operations of the contract: every command of these nouns is made from these tables. */
import type { Noun } from "../../noun.ts";
import { actors } from "./actors.ts";
import { credentials } from "./credentials.ts";
import { installation } from "./installation.ts";
import { oauth } from "./oauth.ts";

export const nouns: readonly Noun[] = [...actors, ...credentials, ...oauth, ...installation];
