import { LegateApiError, type LegateClient } from "@legate/sdk";
import { cellOf } from "../output/index.ts";
import { broken, fine, type Finding, skipped, warning } from "./finding.ts";

type Fetch = typeof globalThis.fetch;

/** What a server answered, as far as a check looks at it. */
interface Heard {
  readonly status: number;
  readonly headers: Headers;
  readonly json: Readonly<Record<string, unknown>> | undefined;
}

/** How a server is asked in a check: no redirect is followed, and no credential is sent. */
export const makeAsk =
  (fetch: Fetch, timeoutMs: number) =>
  async (url: string, init: RequestInit = {}): Promise<Heard> => {
    const response = await fetch(url, { ...init, redirect: "manual", signal: AbortSignal.timeout(timeoutMs) });
    const text = await response.text();
    let json: Heard["json"];
    try {
      json = JSON.parse(text) as Heard["json"];
    } catch {
      // A page.
    }
    return { status: response.status, headers: response.headers, json };
  };
type Ask = ReturnType<typeof makeAsk>;

/** The address of the installation: a tenant's prefix has no health of its own. */
export const installationOf = (endpoint: string): string => endpoint.replace(/\/t\/[a-z][a-z0-9-]{1,38}$/, "");

const whyNot = (error: unknown): string => {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as { code?: unknown };
    if (typeof code === "string") return code;
    if (cause.name === "TimeoutError") return "timeout";
  }
  return "no answer";
};

const mends: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Is the server running, and on this port? Look at LEGATE_HOST and LEGATE_PORT.",
  ENOTFOUND: "No such host is known: look at the name, and at DNS.",
  EAI_AGAIN: "Names cannot be resolved right now: look at DNS.",
  timeout: "A firewall may be in between, or the server has too much to do.",
  CERT_HAS_EXPIRED: "Renew the certificate, and restart the server if it ends TLS itself.",
  DEPTH_ZERO_SELF_SIGNED_CERT: "Name the authority that signed it in NODE_EXTRA_CA_CERTS.",
  SELF_SIGNED_CERT_IN_CHAIN: "Name the authority that signed it in NODE_EXTRA_CA_CERTS.",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "The server must send the whole chain; or name the authority in NODE_EXTRA_CA_CERTS.",
};

export const checkReach = async (ask: Ask, base: string): Promise<Finding> => {
  const check = "reach";
  try {
    const { status, headers } = await ask(`${base}/livez`);
    if (status === 200 && headers.has("x-request-id")) return fine(check, `${base} answers.`);
    return broken(
      check,
      `${base}/livez answers ${status}, and not as Legate does.`,
      "Something else may answer there: look at the endpoint, and at the proxy's routes.",
    );
  } catch (error) {
    const why = whyNot(error);
    return broken(check, `${base} does not answer (${why}).`, mends[why] ?? "Look at the endpoint, the network and the server's log.");
  }
};

export const checkStore = async (ask: Ask, base: string): Promise<Finding> => {
  const check = "store";
  try {
    const { status, json } = await ask(`${base}/readyz`);
    if (status === 200) return fine(check, "The store answers.");
    const said = cellOf(json?.["status"] ?? status).slice(0, 100);
    return broken(
      check,
      `The server cannot serve: ${said}.`,
      "Look at the database (LEGATE_DATABASE_URL) or the disk of LEGATE_DATA_DIR, and at the server's log.",
    );
  } catch (error) {
    return broken(check, `/readyz does not answer (${whyNot(error)}).`, "Look at the server's log.");
  }
};

export type Who = Awaited<ReturnType<LegateClient["whoami"]>>;

/** From when clocks are too far apart: signed requests and tokens are checked against the server's. */
const clockWarnMs = 5_000;
const clockBrokenMs = 60_000;

/** @param before @param after This machine's time around the question */
export const checkClock = ({ now }: Who, before: number, after: number): Finding => {
  const check = "clock";
  const server = Date.parse(now);
  // Within the journey of the question nothing can be told.
  const skew = server < before ? server - before : server > after ? server - after : 0;
  const words = `The server's clock is ${(Math.abs(skew) / 1000).toFixed(1)} s ${skew < 0 ? "behind" : "ahead of"} this machine's.`;
  const mend = "Set both clocks by NTP. Signed requests are refused from 15 minutes on, tokens within seconds.";
  if (Math.abs(skew) >= clockBrokenMs) return broken(check, words, mend);
  return Math.abs(skew) >= clockWarnMs ? warning(check, words, mend) : fine(check, "The clocks agree.");
};

const isLoopback = (host: string): boolean => /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/.test(host);
const isPrivate = (address: string): boolean =>
  /^(10\.|127\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|::1$|f[cd]|fe80:|::ffff:(10\.|127\.|192\.168\.))/i.test(address);

export const checkPublicUrl = async (ask: Ask, endpoint: string, { issuer }: Who): Promise<readonly Finding[]> => {
  const check = "public URL";
  const url = new URL(issuer);
  const findings: Finding[] = [];
  if (issuer !== endpoint)
    findings.push(
      warning(
        check,
        `The server calls itself ${issuer}, and is asked at ${endpoint}. Links for users and callbacks lead to the former.`,
        `If users reach it at ${endpoint}, set LEGATE_PUBLIC_URL to that; else log in again with --endpoint ${issuer}.`,
      ),
    );
  if (url.protocol !== "https:" && !isLoopback(url.hostname))
    findings.push(
      broken(
        check,
        `${issuer} is plain http.`,
        "Put TLS in front, or set LEGATE_TLS_CERT and LEGATE_TLS_KEY, and give LEGATE_PUBLIC_URL as https.",
      ),
    );
  try {
    const { status, json } = await ask(`${issuer}/.well-known/openid-configuration`);
    if (status !== 200 || json?.["issuer"] !== issuer)
      findings.push(
        broken(
          check,
          `${issuer} does not answer as this server (status ${status}).`,
          "Let the proxy forward every path, /.well-known among them, without changing it.",
        ),
      );
  } catch (error) {
    findings.push(
      warning(
        check,
        `${issuer} does not answer from here (${whyNot(error)}).`,
        "Users' browsers and clients must reach it: look at DNS, the proxy and LEGATE_PUBLIC_URL.",
      ),
    );
  }
  return findings.length > 0 ? findings : [fine(check, `${issuer} leads here.`)];
};

/** An address that nobody has (RFC 5737). */
const madeUpAddress = "203.0.113.77";

export const checkHeaders = async (
  ask: Ask,
  endpoint: string,
  who: Who,
  addressSeenWith: (forged: string) => Promise<string | undefined>,
): Promise<readonly Finding[]> => {
  const check = "headers";
  const findings: Finding[] = [];
  const { hostname } = new URL(endpoint);
  const { address } = who;
  const local = isLoopback(hostname);
  if ((await addressSeenWith(madeUpAddress)) === madeUpAddress)
    findings.push(
      (local ? warning : broken)(
        check,
        "A caller's own X-Forwarded-For is believed: anybody may give themselves another address in logs, audit and limits.",
        local
          ? "Right only if this machine is the proxy. Else name only the proxy's address in LEGATE_TRUSTED_PROXIES."
          : "Name only the proxy's own address in LEGATE_TRUSTED_PROXIES, and let the proxy replace or extend the header, never pass it on alone.",
      ),
    );
  else if (!local && !isPrivate(hostname) && address !== undefined && isPrivate(address))
    findings.push(
      warning(
        check,
        `The server sees ${address} as the caller: that may be its proxy. Then all callers look the same to limits and audit.`,
        "If it is the proxy's address, name it in LEGATE_TRUSTED_PROXIES, and let the proxy send X-Forwarded-For.",
      ),
    );
  const { status, headers, json } = await ask(`${endpoint}/`, {
    method: "POST",
    headers: { "x-acs-action": "LegateDoctor", "x-acs-version": "2025-09-01", "content-type": "application/x-www-form-urlencoded" },
    body: "",
  });
  if (json?.["Code"] !== "InvalidAction.NotFound")
    findings.push(
      warning(
        check,
        `Requests of the Alibaba Cloud wire do not arrive whole (status ${status}).`,
        "Let the proxy pass POST / and the headers x-acs-* on as they are.",
      ),
    );
  if (!headers.has("x-request-id"))
    findings.push(
      warning(
        check,
        "The header x-request-id of answers gets lost.",
        "Let the proxy pass the server's headers on: it finds a request in logs and audit.",
      ),
    );
  return findings.length > 0 ? findings : [fine(check, "They arrive as they were sent, in both directions.")];
};

/** How many things are looked through at most. */
const mostRead = 500;

/** Where providers send browsers back to, and what looked wrong when the server last called the providers. */
export const checkProviders = async (ask: Ask, client: LegateClient, { issuer }: Who): Promise<readonly Finding[]> => {
  let providers: { name: string; callbackUrl?: string | undefined; warnings?: readonly string[] | undefined }[];
  let issuers: { name: string; loginCallbackUrl: string }[];
  try {
    providers = (await client.providers.list({ limit: mostRead })).items;
    issuers = (await client.issuers.list({ limit: mostRead })).items;
  } catch (error) {
    if (error instanceof LegateApiError && error.status === 403)
      return [skipped("callback URLs", "This key may not list providers."), skipped("egress", "This key may not list providers.")];
    throw error;
  }
  const findings: Finding[] = [];
  const urls = [
    ...providers.flatMap(({ name, callbackUrl }) => (callbackUrl === undefined ? [] : [{ name: `provider ${name}`, url: callbackUrl }])),
    ...issuers.map(({ name, loginCallbackUrl }) => ({ name: `issuer ${name}`, url: loginCallbackUrl })),
  ];
  const elsewhere = urls.filter(({ url }) => !url.startsWith(`${issuer}/`));
  for (const { name, url } of elsewhere)
    findings.push(
      broken(
        "callback URLs",
        `${name} sends browsers back to ${url}, which is not below ${issuer}.`,
        "Has LEGATE_PUBLIC_URL changed? Register the URL that the server answers now.",
      ),
    );
  const [first] = urls;
  if (!first) findings.push(skipped("callback URLs", "There is no provider that sends browsers back."));
  else {
    try {
      const { status, headers } = await ask(first.url);
      if (!headers.has("x-request-id") || status === 404 || status >= 500)
        findings.push(
          broken(
            "callback URLs",
            `${first.url} is not answered by this server (status ${status}).`,
            "Let the proxy forward /callback/ and /login/ too.",
          ),
        );
      else if (elsewhere.length === 0)
        findings.push(fine("callback URLs", `${urls.length} lead here. The provider must know each, character for character.`));
    } catch (error) {
      findings.push(
        broken("callback URLs", `${first.url} does not answer (${whyNot(error)}).`, "Browsers must reach it: look at DNS and the proxy."),
      );
    }
  }
  const warned = providers.filter(({ warnings }) => (warnings?.length ?? 0) > 0);
  for (const { name, warnings } of warned)
    findings.push(
      warning(
        "egress",
        `provider ${name}: ${(warnings ?? []).join(" ")}`,
        "If its address is inside your network, name it in LEGATE_EGRESS_ALLOW; if it was away, run `legate providers update` on it again.",
      ),
    );
  if (warned.length === 0)
    findings.push(
      fine(
        "egress",
        providers.length === 0 ? "There is no provider to be called." : "Nothing looked wrong when the providers were last written.",
      ),
    );
  return findings;
};
