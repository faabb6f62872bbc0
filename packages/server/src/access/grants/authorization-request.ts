import type { Refusal } from "../../ground/kernel/index.ts";
import type { Seal } from "../../ground/seal/index.ts";
import type { VisitCookie } from "../vault/index.ts";

/** What a client asks of a person, parsed: what the endpoint of any wire hands on. */
export interface AuthorizationAsk {
  /** Sorted, no repeats; undefined where none were asked for. */
  readonly scopes: readonly string[] | undefined;
  /** RFC 8707 2; at most one. */
  readonly resource: string | undefined;
  /** RFC 7636 4.2, S256. */
  readonly codeChallenge: string;
  /** RFC 9449 10. */
  readonly dpopThumbprint: string | undefined;
  readonly state: string | undefined;
  readonly nonce: string | undefined;
  /** OpenID Connect Core 3.1.2.1. */
  readonly prompt: readonly Prompt[];
  /** Seconds. */
  readonly maxAge: number | undefined;
  /** Whether the navigation that brought it may have been another site's doing. */
  readonly foreign: boolean;
}

export const prompts = ["none", "login", "consent", "select_account"] as const;
export type Prompt = (typeof prompts)[number];

/** A browser on its way from a client's authorization request to its answer. */
export interface AuthorizationRequest {
  /** Hash of the secret in the browser's cookie; stands in the address of our pages. */
  readonly id: string;
  readonly client: string;
  readonly clientVersion: string;
  readonly redirectUri: string;
  /** The audience of what it will give. */
  readonly resource: string;
  /** Sorted, no repeats. */
  readonly scopes: readonly string[];
  readonly codeChallenge: string;
  readonly dpopThumbprint: string | undefined;
  readonly prompt: readonly string[];
  readonly maxAge: number | undefined;
  /** Whether a consent that is remembered may answer it: decided when it began, by how the browser came. */
  readonly recallable: boolean;
  /** issuer: which one is to be chosen; login: at the user's issuer; consent: our page was shown; done: answered. */
  readonly stage: "issuer" | "login" | "consent" | "done";
  /** Hash of the login's `state`; empty outside a login, and once it came back. */
  readonly stateHash: string;
  readonly issuer: string | undefined;
  readonly user: string | undefined;
  readonly userEpoch: number | undefined;
  /** Milliseconds since 1970. */
  readonly authTime: number | undefined;
  readonly sealedSecrets: string;
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** What a request keeps sealed. */
export interface RequestSecrets {
  /** The client's own, returned character for character. */
  readonly state?: string | undefined;
  /** The client's own, for the ID token. */
  readonly nonce?: string | undefined;
  /** What the form of our page of the moment must send back. */
  readonly form?: string | undefined;
  /** PKCE verifier and nonce of the login under way. */
  readonly login?: { readonly verifier: string; readonly nonce: string } | undefined;
  /** The answer that the person gave: whoever presses twice hears the same twice, until then. */
  readonly answered?: { readonly decision: Decision; readonly code?: string | undefined; readonly until: number } | undefined;
}

export type Decision = "allow" | "deny";

/** What the client is told, and where. */
export interface RequestAnswer {
  readonly redirectUri: string;
  /** The client's own. */
  readonly state: string | undefined;
  readonly outcome: { readonly code: string } | { readonly refusal: Refusal };
  /**
   * Whether the browser is taken there at once. RFC 9700 4.11.2: anybody can write a document that names their own site, so a refusal that the person
   * did not give is no reason to be sent to one.
   */
  readonly atOnce: boolean;
}

/** Where the browser goes next: to log in, to our page of this request, or back to the client. */
export type RequestStep =
  | { readonly kind: "login"; readonly to: string; readonly cookie?: VisitCookie | undefined }
  | { readonly kind: "page"; readonly request: string; readonly cookie?: VisitCookie | undefined }
  | { readonly kind: "answer"; readonly answer: RequestAnswer };

/** What our page of a request shows. Every text in it was written by somebody else. */
export type RequestPage =
  | {
      readonly kind: "issuers";
      readonly client: ShownClient;
      readonly issuers: readonly { readonly id: string; readonly name: string; readonly issuer: string }[];
      readonly expiresAt: number;
      readonly formToken: string;
    }
  | {
      readonly kind: "consent";
      readonly client: ShownClient;
      readonly user: { readonly subject: string; readonly issuer: string };
      /** Nameless: nothing but who the person is. */
      readonly resource: { readonly identifier: string; readonly name: string | undefined };
      readonly scopes: readonly { readonly name: string; readonly description: string | undefined }[];
      /** Whether it goes on until it is taken back; else it ends within minutes. */
      readonly isLasting: boolean;
      readonly redirectUri: string;
      readonly expiresAt: number;
      readonly formToken: string;
    };

export interface ShownClient {
  readonly id: string;
  readonly kind: "agent" | "app" | "document";
  readonly name: string;
  readonly uri: string | undefined;
}

/** From its beginning to the last moment at which it can be answered. */
export const requestLife = 10 * 60_000;

/** For how long a request that is over is kept, so that whoever comes late is told so. */
export const requestMemory = 10 * 60_000;

export const isRequestId = (text: string): boolean => /^[\w-]{43}$/.test(text);

/** One cookie a request: as many may be under way in one browser as it has tabs. */
export const requestCookie = (id: string, secure: boolean): string => `${secure ? "__Host-" : ""}legate_oauth_${id.slice(0, 16)}`;

export const secretsIdentity = (id: string): string => `authorization_requests/${id}/secrets`;

export const openSecrets = async (seal: Pick<Seal, "open">, tenant: string, request: AuthorizationRequest): Promise<RequestSecrets> =>
  JSON.parse(await seal.open(tenant, secretsIdentity(request.id), request.sealedSecrets)) as RequestSecrets;
