/** Owns OAuth clients, how they prove themselves, and the resources and scopes they may ask for. */
export type { App } from "./app.ts";
export type { Authenticated, Client, ClientProof } from "./client.ts";
export { type Clients, type From, makeClients } from "./clients.ts";
export type { Resource } from "./resource.ts";
export type { Bounds, Target } from "./target.ts";
