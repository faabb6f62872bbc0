/** Owns OAuth clients, how they prove themselves, and the resources and scopes they may ask for. */
export type { Client, ClientAuthMethod, ClientProof } from "./client.ts";
