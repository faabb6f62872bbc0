import type { IncomingHttpHeaders } from "node:http";
import { type AuthorizationAsk, type Prompt, prompts } from "../../access/grants/index.ts";
import { Refusal } from "../../ground/kernel/index.ts";
import { AuthorizeFault } from "./authorize-errors.ts";

/** Which client asks, and where it would have its answer. */
export interface Asker {
  readonly clientId: string;
  readonly redirectUri: string | undefined;
}

/** Of one parameter; a URL holds no more than 16 KiB in all. */
const longest = 2_048;

/** RFC 6749 3.1: a parameter without a value is none. */
const given = (params: URLSearchParams, name: string): string | undefined => params.getAll(name)[0] || undefined;

const repeats = (params: URLSearchParams, name: string): boolean => params.getAll(name).length > 1;

/**
 * Reads what must hold before anything is answered elsewhere than here.
 *
 * @throws Refusal invalid_request
 */
export const askerOf = (params: URLSearchParams): Asker => {
  for (const name of ["client_id", "redirect_uri"] as const) {
    if (repeats(params, name)) throw new Refusal("invalid_request", `${name} stands more than once.`);
    if ((given(params, name)?.length ?? 0) > longest) throw new Refusal("invalid_request", `${name} is too long.`);
  }
  const clientId = given(params, "client_id");
  if (clientId === undefined) throw new Refusal("invalid_request", "client_id is missing.");
  return { clientId, redirectUri: given(params, "redirect_uri") };
};

/** The client's state, as far as it can be repeated. */
export const stateOf = (params: URLSearchParams): string | undefined => {
  const state = given(params, "state");
  return repeats(params, "state") || (state?.length ?? 0) > longest ? undefined : state;
};

const fault = (message: string): AuthorizeFault => new AuthorizeFault("invalid_request", message);

const single = (params: URLSearchParams, name: string): string | undefined => {
  if (repeats(params, name)) throw fault(`${name} stands more than once.`);
  const value = given(params, name);
  if ((value?.length ?? 0) > longest) throw fault(`${name} is longer than ${longest} characters.`);
  return value;
};

/** SHA-256 in base64url: what a challenge of RFC 7636 and a thumbprint of RFC 7638 look like. */
const isSha256 = (text: string): boolean => /^[\w-]{43}$/.test(text);

const challengeOf = (params: URLSearchParams): string => {
  const challenge = single(params, "code_challenge");
  const method = single(params, "code_challenge_method");
  if (challenge === undefined) throw fault("code_challenge is missing: every client uses PKCE.");
  // RFC 7636 4.3: left out, it means plain, which protects nothing once the request is seen (OAuth 2.1 7.5.1).
  if (method !== "S256") throw fault("code_challenge_method has to be S256.");
  if (!isSha256(challenge)) throw fault("code_challenge is not a SHA-256 in base64url.");
  return challenge;
};

const promptOf = (params: URLSearchParams): readonly Prompt[] => {
  const asked = [...new Set((single(params, "prompt") ?? "").split(" ").filter(Boolean))];
  const known = prompts.filter((each) => asked.includes(each));
  if (known.length < asked.length) throw fault("prompt has a value that is not known here.");
  // OpenID Connect Core 3.1.2.1
  if (known.includes("none") && known.length > 1) throw fault("prompt says none and something else.");
  return known;
};

const maxAgeOf = (params: URLSearchParams): number | undefined => {
  const text = single(params, "max_age");
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text)) throw fault("max_age is no number of seconds.");
  return Number(text);
};

/** RFC 6749 3.3. */
const scopeToken = /^[\x21\x23-\x5B\x5D-\x7E]+$/;

const scopesOf = (params: URLSearchParams): readonly string[] | undefined => {
  const text = single(params, "scope");
  if (text === undefined) return undefined;
  const scopes = [...new Set(text.split(" ").filter(Boolean))].sort();
  if (!scopes.every((scope) => scopeToken.test(scope))) throw new AuthorizeFault("invalid_scope", "scope holds characters that none has.");
  return scopes.length === 0 ? undefined : scopes;
};

const resourceOf = (params: URLSearchParams): string | undefined => {
  // RFC 8707 2: it may repeat; a token of ours is for one resource.
  const resources = new Set(params.getAll("resource").filter((each) => each !== ""));
  if (resources.size > 1) throw new AuthorizeFault("invalid_target", "A token is for one resource: ask for each by itself.");
  const [resource] = resources;
  if ((resource?.length ?? 0) > longest) throw new AuthorizeFault("invalid_target", "There is no such resource.");
  return resource;
};

/**
 * Reads everything else, for a client that may be answered at its redirect URI. What is not known is passed over (RFC 6749 3.1).
 *
 * @param foreign Whether another site may have brought the browser here.
 * @throws AuthorizeFault
 */
export const askOf = (params: URLSearchParams, foreign: boolean): AuthorizationAsk => {
  const state = single(params, "state");
  // OpenID Connect Core 6: told by its own error, so that a client sees it is not merely a mistake of its own.
  if (params.has("request")) throw new AuthorizeFault("request_not_supported", "Parameters in a signed request are not read here.");
  if (params.has("request_uri")) throw new AuthorizeFault("request_uri_not_supported", "Parameters at a request_uri are not read here.");
  const responseType = single(params, "response_type");
  if (responseType === undefined) throw fault("response_type is missing.");
  if (responseType !== "code") throw new AuthorizeFault("unsupported_response_type", "response_type has to be code.");
  const responseMode = single(params, "response_mode");
  if (responseMode !== undefined && responseMode !== "query") throw fault("response_mode has to be query, or be left out.");
  const dpopThumbprint = single(params, "dpop_jkt");
  if (dpopThumbprint !== undefined && !isSha256(dpopThumbprint)) throw fault("dpop_jkt is not the SHA-256 thumbprint of a key.");
  return {
    codeChallenge: challengeOf(params),
    scopes: scopesOf(params),
    resource: resourceOf(params),
    dpopThumbprint,
    state,
    nonce: single(params, "nonce"),
    prompt: promptOf(params),
    maxAge: maxAgeOf(params),
    foreign,
  };
};

/**
 * Whether somebody else may have brought the browser here: all that does not say otherwise (Fetch Metadata 2). Redirects count too: one that passed
 * another site is cross-site. `none` is what an address that was typed says, and also a link in a mail, a chat or a document, which anybody may have sent.
 */
export const isForeign = (headers: IncomingHttpHeaders): boolean => {
  const { "sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": dest } = headers;
  return !(["same-origin", "same-site"].includes(String(site)) && mode === "navigate" && dest === "document");
};
