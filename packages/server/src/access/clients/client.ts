import type { ActingAgent, Principal } from "../../ground/kernel/index.ts";

/**
 * An OAuth client, whichever way it came to be: `agent`, an agent of the registry, confidential, whose id is its agent id; `app`, a public client for
 * people that an operator registered (`cli_` + 32 hex); `document`, a public client whose id is the https URL of its metadata document.
 */
export interface Client {
  readonly tenant: string;
  readonly id: string;
  readonly kind: "agent" | "app" | "document";
  /** For people: the title, or the name. Of a document it is what a stranger wrote. */
  readonly name: string;
  /** Compared character for character, but for the port of a loopback address or `localhost` (RFC 8252 7.3, OAuth 2.1 2.3.1). */
  readonly redirectUris: readonly string[];
  /** The grants it may use, by `grant_type`. */
  readonly grantTypes: readonly string[];
  /** The most it may ever ask; undefined where only the resources limit it. */
  readonly scopes: readonly string[] | undefined;
  /** The agent that it is. */
  readonly agent: ActingAgent | undefined;
  /** The trusted issuer at which its users log in, by id; undefined where it names none. */
  readonly issuerId: string | undefined;
  /** Moves whenever something changes that a person consented to: redirect URIs, name, keys. What was remembered for another version is void. */
  readonly version: string;
  /** Of a registered app: moves whenever it is suspended or resumed. What was granted in another epoch is dead. */
  readonly epoch?: number | undefined;
  /** Of a document, for the consent page. */
  readonly about?: { readonly uri?: string | undefined } | undefined;
}

/** What a request brings as proof of its client. All of it comes from outside. */
export interface ClientProof {
  /** The `Authorization` header. */
  readonly authorization: string | undefined;
  /** Of the form: `client_id`, `client_secret`, `client_assertion`, `client_assertion_type`. */
  readonly clientId: string | undefined;
  readonly clientSecret: string | undefined;
  readonly clientAssertion: string | undefined;
  readonly clientAssertionType: string | undefined;
  /** The tenant that the address names, if it names one. */
  readonly tenant: string | undefined;
  readonly requestId: string;
  readonly address: string | undefined;
}

/** A client that proved itself, and the principal that stands in the record. */
export interface Authenticated {
  readonly client: Client;
  /** Has `agent` where the client is one. */
  readonly who: Principal;
}
