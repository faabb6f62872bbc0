/** Owns what every room knows: refusals, principals, pages, the shape of JSON, and the guests that come in as arguments (clock, randomness). */
export type { Foreign } from "./foreign.ts";
export { type Clock, type Random, systemClock, systemRandom } from "./guests.ts";
export { jsonFault } from "./json-fault.ts";
export { type List, type Page, type PageAsk, type Place, pageFrom, placeOf, readPage } from "./page.ts";
export { type ActingAgent, anonymous, type OperatorRole, type Principal, type RoleSession } from "./principal.ts";
export { makeRecent, type Recent } from "./recent.ts";
export { Refusal } from "./refusal.ts";
export { parseStrictObject } from "./strict-json.ts";
export { makeTurns } from "./turns.ts";
