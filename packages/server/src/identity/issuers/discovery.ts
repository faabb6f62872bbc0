import { type Egress, EgressBlocked, EgressFailed } from "../../ground/egress/index.ts";
import { Refusal } from "../../ground/kernel/index.ts";

/** What an issuer says of itself (OpenID Connect Discovery 3, RFC 8414 2), as it says it. */
export interface DiscoveryDocument {
  readonly issuer: string;
  readonly jwks_uri: string;
  readonly authorization_endpoint?: string;
  readonly token_endpoint?: string;
  readonly [field: string]: unknown;
}

/** A document's place, and the issuer it must name. */
interface Candidate {
  readonly url: string;
  readonly issuer: string;
}

const oidc = "/.well-known/openid-configuration";
const oauth = "/.well-known/oauth-authorization-server";

const badUrl = (message: string, reason: string) =>
  new Refusal("invalid_request", message, { reason, issues: [{ path: "discoveryUrl", message }] });

const unavailable = (message: string, reason: string) => new Refusal("issuer_unavailable", message, { reason });

/**
 * Where the metadata may be, given either its URL or the issuer's.
 *
 * @throws Refusal invalid_request for an issuer URL that cannot be one
 */
export const candidatesOf = (given: string): readonly Candidate[] => {
  if (!URL.canParse(given)) throw badUrl("This is not an absolute URL.", "malformed");
  const { origin, pathname, search } = new URL(given);
  // OpenID Connect Discovery 4: appended to the issuer.
  if (pathname.endsWith(oidc)) return [{ url: given, issuer: origin + pathname.slice(0, -oidc.length) }];
  // RFC 8414 3.1: inserted between the host and the path.
  for (const inserted of [oauth, oidc]) {
    if (pathname === inserted || pathname.startsWith(`${inserted}/`))
      return [{ url: given, issuer: origin + pathname.slice(inserted.length) }];
  }
  // RFC 8414 2: an issuer has no query.
  if (search !== "" || given.includes("?")) throw badUrl("An issuer URL has no query.", "query");
  const path = pathname.replace(/\/$/, "");
  const issuer = origin + path;
  return [`${issuer}${oidc}`, `${origin}${oauth}${path}`, ...(path === "" ? [] : [`${origin}${oidc}${path}`])].map((url) => ({
    url,
    issuer,
  }));
};

/**
 * Fetches a JSON object.
 *
 * @throws Refusal invalid_request where the URL may not be reached, issuer_unavailable for anything but a JSON object with status 200
 */
export const fetchJson = async (egress: Egress, url: string, milliseconds: number): Promise<Readonly<Record<string, unknown>>> => {
  const where = new URL(url).origin;
  let response: Response;
  try {
    response = await egress.fetch(url, { headers: { accept: "application/json" }, signal: AbortSignal.timeout(milliseconds) });
  } catch (problem) {
    if (problem instanceof EgressBlocked) throw badUrl(problem.message, problem.reason);
    if (problem instanceof EgressFailed) throw unavailable(problem.message, problem.reason);
    if (problem instanceof DOMException && problem.name === "TimeoutError")
      throw unavailable(`${where} did not answer in time.`, "timeout");
    throw problem;
  }
  if (response.status !== 200) throw unavailable(`${where} answered with status ${response.status}.`, "status");
  const type = response.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase() ?? "";
  if (!/^application\/([a-z0-9.-]+\+)?json$/.test(type)) throw unavailable(`${where} answered with something else than JSON.`, "not_json");
  let parsed: unknown;
  try {
    parsed = await response.json();
  } catch {
    throw unavailable(`${where} answered with JSON that does not parse.`, "not_json");
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw unavailable(`${where} answered no object.`, "not_json");
  return parsed as Readonly<Record<string, unknown>>;
};

const sameIssuer = (a: string, b: string): boolean => a === b || a === `${b}/` || `${a}/` === b;

/** Reads one document and checks that it speaks for the issuer of its URL, and that its endpoints may be reached. */
const read = async (egress: Egress, { url, issuer }: Candidate): Promise<DiscoveryDocument> => {
  const document = await fetchJson(egress, url, 10_000);
  const named = document["issuer"];
  // OpenID Connect Discovery 4.3: the issuer must be the one its URL was made of. The URL tells nothing of a final slash.
  if (typeof named !== "string" || !sameIssuer(named, issuer))
    throw badUrl("The document found there speaks for another issuer.", "issuer_mismatch");
  for (const field of ["jwks_uri", "authorization_endpoint", "token_endpoint"]) {
    const endpoint = document[field];
    if (endpoint === undefined && field !== "jwks_uri") continue;
    if (typeof endpoint !== "string") throw unavailable(`The issuer's metadata has no ${field}.`, "metadata");
    try {
      egress.checkUrl(endpoint);
    } catch (problem) {
      if (!(problem instanceof Refusal)) throw problem;
      throw badUrl(`The issuer's ${field} cannot be used: ${problem.message}`, String(problem.details["reason"]));
    }
  }
  return document as DiscoveryDocument;
};

/**
 * Finds the metadata of an issuer.
 *
 * @param given The issuer URL, or that of its metadata.
 * @throws Refusal invalid_request where the URL may not be reached or speaks for another issuer, issuer_unavailable where nothing useful answers
 */
export const discover = async (egress: Egress, given: string): Promise<{ readonly url: string; readonly document: DiscoveryDocument }> => {
  const [first, ...others] = candidatesOf(given);
  if (!first) throw new TypeError("A URL has at least one candidate.");
  try {
    return { url: first.url, document: await read(egress, first) };
  } catch (problem) {
    // Only an answer that says "not here" is worth asking elsewhere.
    if (!(problem instanceof Refusal) || !["status", "not_json"].includes(String(problem.details["reason"]))) throw problem;
    for (const candidate of others) {
      const document = await read(egress, candidate).catch(() => undefined);
      if (document) return { url: candidate.url, document };
    }
    throw problem;
  }
};
