import type { Code } from "@legate/contract";
import type { RequestPage } from "../../access/grants/index.ts";
import { Refusal } from "../../ground/kernel/index.ts";
import { type Ending, endingPage, type Html, html, name, page, placeOf } from "../pages/index.ts";

type Consent = Extract<RequestPage, { kind: "consent" }>;
type Issuers = Extract<RequestPage, { kind: "issuers" }>;

/** What people read of scopes that mean the same everywhere (OpenID Connect Core 3.1.2.1, 11). */
const personal: ReadonlyMap<string, string> = new Map([
  ["openid", "Recognise you when you come back, without being told your name or e-mail address"],
  ["offline_access", "Go on while you are away"],
]);

/** A document's name is a stranger's word: what is known of it is its address. */
const titleOf = ({ kind, id, name: given }: RequestPage["client"]): string => (kind === "document" ? placeOf(id) : given);

const until = (expiresAt: number): string => `${new Date(expiresAt).toISOString().slice(11, 16)} UTC`;

const stranger = ({ kind, id, name: given }: RequestPage["client"]): Html | undefined =>
  kind === "document"
    ? html`<p>It calls itself <strong>${name(given)}</strong>. Nobody here has checked that: what is certain is its address, <code>${name(id)}</code>.</p>
`
    : undefined;

/** RFC 8252 8.6: whatever is on this device can open a port of it, or claim a scheme. */
const impostor = ({ client, redirectUri }: Consent): Html | undefined =>
  client.kind === "agent" || redirectUri.startsWith("https:")
    ? undefined
    : html`<p class="warn">Your browser hands the answer to a program on this device, and any program here could pretend to be this one. Allow it only if you have just started it yourself.</p>
`;

const wanted = ({ scopes, resource }: Consent): Html => {
  if (scopes.length === 0)
    return html`<p>It asks for nothing in particular: ${name(resource.name ?? resource.identifier)} decides what it may do.</p>`;
  return html`<ul>${scopes.map(({ name: scope, description = personal.get(scope) }) =>
    description === undefined
      ? html`<li><code>${name(scope)}</code></li>`
      : html`<li>${name(description)} <code class="quiet">${name(scope)}</code></li>`,
  )}</ul>`;
};

const fact = (term: string, value: string | undefined): Html | undefined =>
  value === undefined
    ? undefined
    : html`<dt>${term}</dt><dd><code>${name(value)}</code></dd>
`;

/** Asks the person. */
export const consentPage = (consent: Consent): string => {
  const { client, user, resource, isLasting, redirectUri, expiresAt, formToken } = consent;
  const who = name(titleOf(client));
  const what = resource.name === undefined ? html`know who you are` : html`use <strong>${name(resource.name)}</strong> for you`;
  return page(
    "Allow access?",
    "plain",
    resource.name === undefined ? html`Tell ${who} who you are?` : html`Allow ${who} to use ${name(resource.name)} for you?`,
    html`<p><strong>${who}</strong> asks to ${what}. You are signed in as <strong>${name(user.subject)}</strong> of <strong>${name(placeOf(user.issuer))}</strong>.</p>
${stranger(client)}${impostor(consent)}<h2>What it will be able to do</h2>
${wanted(consent)}
<p>It can do this ${isLasting ? "until the access is taken back" : "for some minutes; then it has to ask again"}.</p>
<h2>What happens next</h2>
<p>Your browser goes back to <strong>${name(placeOf(redirectUri))}</strong>. Your password is not told to anybody.</p>
<form method="post">
<input type="hidden" name="formToken" value="${formToken}">
<button class="first" name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Deny</button>
</form>
<p class="quiet">If you did not ask for this, or are not ${name(user.subject)}, choose Deny. You have until ${until(expiresAt)}.</p>
<details>
<summary>Technical facts</summary>
<dl>
${fact("Client", client.name)}${fact("Client id", client.id)}${fact("Its home page", client.uri)}${fact("Resource", resource.identifier)}${fact("User", user.subject)}${fact("User's issuer", user.issuer)}${fact("Afterwards the browser goes to", redirectUri)}</dl>
</details>`,
  );
};

/** Asks where the person has an account. */
export const issuersPage = ({ client, issuers, expiresAt, formToken }: Issuers): string =>
  page(
    "Sign in",
    "plain",
    html`Where do you sign in?`,
    html`<p><strong>${name(titleOf(client))}</strong> asks who you are. Choose where you have an account; you can still say no afterwards.</p>
<form method="post" class="column">
<input type="hidden" name="formToken" value="${formToken}">
${issuers.map(
  (
    issuer,
  ) => html`<button name="issuer" value="${issuer.id}">${name(issuer.name)} <span class="quiet">${name(placeOf(issuer.issuer))}</span></button>
`,
)}</form>
<p class="quiet">You have until ${until(expiresAt)}.</p>`,
  );

const again = "Go back to the app and begin again.";

const unreadable: Ending = {
  status: 400,
  heading: "This request cannot be read",
  says: ["The app that sent you here did not ask in a way that can be answered. Nothing was granted.", "Tell whoever made the app."],
};
const unreachable: Ending = {
  status: 503,
  heading: "This cannot be done right now",
  says: ["A service that is needed does not answer.", `Wait a moment. ${again}`],
};

/** For a client whose word nobody vouches for: the person decides whether to go there (RFC 9700 4.11.2). */
export const strangerPage = (to: string): string =>
  page(
    "This cannot be done",
    "bad",
    html`This cannot be done`,
    html`<p>What the app that sent you here asks for cannot be done. Nothing was granted.</p>
<p>It wants you back at <strong>${name(placeOf(to))}</strong>. Go there only if you came from there.</p>
<p><a class="button" href="${to}" rel="noreferrer">Go back to ${name(placeOf(to))}</a></p>`,
  );

/** How each refusal is told to a person, where the client cannot or must not hear of it. */
const endings: Partial<Record<Code, Ending>> = {
  unsupported_media_type: { ...unreadable, status: 415 },
  payload_too_large: { ...unreadable, status: 413 },
  client_unknown: {
    status: 400,
    heading: "This app is not known here",
    says: [
      "The app that sent you here is not registered, has been stopped, or cannot show who it is. Nothing was granted.",
      "Tell whoever made the app.",
    ],
  },
  redirect_uri_invalid: {
    status: 400,
    heading: "The way back is not the app's own",
    says: [
      "The app that sent you here asks for the answer to be sent to an address that is not registered for it. That is a mistake of the app's, or somebody wants to take what you grant to it. Nothing was granted.",
      "If you followed a link from somebody else, close this page.",
    ],
  },
  session_unknown: {
    status: 404,
    heading: "This page leads nowhere",
    says: ["It may be incomplete, or have ended long ago.", again],
  },
  session_used: {
    status: 409,
    heading: "This has been answered",
    says: ["A request is answered once. If the app has gone on, everything is done and you can close this page.", `Otherwise: ${again}`],
  },
  authorization_expired: {
    status: 410,
    heading: "This page has expired",
    says: ["A request must be answered within ten minutes. Nothing was granted.", again],
  },
  issuer_unknown: {
    status: 400,
    heading: "You cannot sign in there",
    says: ["The place to sign in that was chosen is not offered any more. Nothing was granted.", again],
  },
  rate_limited: {
    status: 429,
    heading: "Too much was asked from your address",
    says: ["Nothing was granted.", `Wait a minute. ${again}`],
  },
  issuer_unavailable: unreachable,
  unavailable: unreachable,
  internal: {
    status: 500,
    heading: "Something went wrong",
    says: [
      "The fault is on our side. Nothing was granted.",
      "Try again; if it happens again, tell whoever runs this service the number below.",
    ],
  },
};

const foreignBrowser: Ending = {
  status: 403,
  heading: "This was begun in another browser",
  says: [
    "A request must be answered in the browser in which the app began it. Nothing was granted.",
    "If you began it yourself, go back to that browser, or begin again in this one. If somebody sent you here, close this page: they may want to use your account.",
  ],
};
const stalePage: Ending = {
  status: 403,
  heading: "This page is no longer current",
  says: ["Your answer was not used, and nothing was granted.", again],
};

/** The page for a refusal. */
export const refusalPage = ({ code, details }: Refusal, requestId: string): { status: number; body: string } => {
  if (code === "forbidden") return endingPage(details["reason"] === "stale_page" ? stalePage : foreignBrowser, requestId);
  return endingPage(endings[code] ?? unreadable, requestId);
};
