import type { Code } from "@legate/contract";
import type { Refusal } from "../../ground/kernel/index.ts";
import { type Html, html, name } from "./html.ts";
import { page } from "./layout.ts";

/** How something ended, told to a person. */
export interface Ending {
  readonly status: number;
  readonly heading: string;
  /** What happened, then what to do next. */
  readonly says: readonly string[];
  /** Whether opening the consent anew is what to do. */
  readonly reopen?: boolean;
}

const close = "You can close this page.";
const ask = "Go back to where you came from and ask for a new link.";
const later = "Wait a moment, then open the link again.";

const used: Ending = {
  status: 409,
  heading: "This link has been used",
  says: ["A link to a consent works once. If you have just finished, everything is done and you can close this page.", `Otherwise: ${ask}`],
};
const lost: Ending = {
  status: 404,
  heading: "This link leads nowhere",
  says: ["It may be incomplete, or have ended long ago.", ask],
};
const malformed: Ending = {
  status: 400,
  heading: "This request cannot be read",
  says: ["Something is missing from the address or the form, or does not belong there. Nothing was stored.", ask],
};
const unreachable: Ending = {
  status: 503,
  heading: "This cannot be done right now",
  says: ["A service that is needed does not answer.", later],
};
const broken: Ending = {
  status: 500,
  heading: "Something went wrong",
  says: [
    "The fault is on our side. Nothing more was stored.",
    "Try again; if it happens again, tell whoever runs this service the number below.",
  ],
};

/** How each refusal that a browser can meet is told to a person. */
const endings: Partial<Record<Code, Ending>> = {
  invalid_request: malformed,
  unsupported_media_type: { ...malformed, status: 415 },
  payload_too_large: { ...malformed, status: 413 },
  not_found: lost,
  session_unknown: lost,
  session_used: used,
  authorization_denied: {
    status: 403,
    heading: "Access was denied",
    says: ["This consent was refused, and the agent was given nothing.", `${close} If you want to allow it after all, ask for a new link.`],
  },
  authorization_expired: {
    status: 410,
    heading: "This link has expired",
    says: ["A consent must be finished within ten minutes. Nothing was stored.", ask],
  },
  authorization_failed: {
    status: 409,
    heading: "The connection could not be made",
    says: ["The consent came to nothing, and the agent was given nothing.", ask],
  },
  session_user_mismatch: {
    status: 403,
    heading: "You are signed in as somebody else",
    says: [
      "This consent was begun for another user, so nothing was stored and it has ended.",
      "If it should have been you: sign out there, go back to where you came from, and ask for a new link. If you did not ask for this, close this page.",
    ],
  },
  agent_suspended: {
    status: 403,
    heading: "This agent has been stopped",
    says: ["Whoever runs this service has stopped the agent since it asked. Nothing was stored.", close],
  },
  user_suspended: {
    status: 403,
    heading: "This account has been stopped",
    says: ["Whoever runs this service has stopped the account that this consent is for. Nothing was stored.", close],
  },
  provider_suspended: {
    status: 403,
    heading: "This connection has been stopped",
    says: ["Whoever runs this service has stopped what the agent asked for. Nothing was stored.", close],
  },
  provider_unknown: {
    status: 404,
    heading: "This connection is no longer offered",
    says: ["What the agent asked for has been removed, or is no longer open to it. Nothing was stored.", close],
  },
  return_url_not_allowed: {
    status: 403,
    heading: "The way back is closed",
    says: ["Whoever runs this service no longer lets the agent send you back to where you came from. Nothing was stored.", close],
  },
  provider_refused: {
    status: 409,
    heading: "The provider cannot be asked",
    says: ["The way to the provider is not set up right. Nothing was stored.", "Tell whoever runs this service the number below."],
  },
  provider_unavailable: unreachable,
  issuer_unavailable: unreachable,
  unavailable: unreachable,
  rate_limited: {
    status: 429,
    heading: "This link was opened too often",
    says: ["A link to a consent may be opened only so many times. Nothing was stored.", ask],
  },
  internal: broken,
};

const foreignBrowser: Ending = {
  status: 403,
  heading: "This was begun in another browser",
  says: [
    "A consent must be finished in the browser, and in the tab, where its link was last opened. Nothing was stored.",
    "If you opened the link yourself, go back to that browser, or open the link here and begin again. If somebody sent you here, close this page: they may want you to connect your account for them.",
  ],
};
const stalePage: Ending = {
  status: 403,
  heading: "This page is no longer current",
  says: ["The link was opened again since. Your answer was not used."],
  reopen: true,
};

const endingOf = ({ code, details }: Refusal): Ending => {
  if (code === "forbidden") return details["reason"] === "stale_page" ? stalePage : foreignBrowser;
  return endings[code] ?? malformed;
};

const paragraphs = (says: readonly string[]): Html[] =>
  says.map(
    (text) => html`<p>${text}</p>
`,
  );

/** The page for an ending, with what to show below it. */
export const endingPage = ({ status, heading, says }: Ending, requestId: string, below?: Html): { status: number; body: string } => ({
  status,
  body: page(
    heading,
    "bad",
    html`${heading}`,
    html`${paragraphs(says)}${below}
<p class="quiet number">Number of this request: <code>${requestId}</code></p>`,
  ),
});

/** The page for a refusal; `session` is the consent to open anew where that helps. */
export const refusalPage = (refusal: Refusal, requestId: string, session: string | undefined): { status: number; body: string } => {
  const ending = endingOf(refusal);
  const again =
    ending.reopen && session !== undefined
      ? html`<p><a class="button first" href="${encodeURIComponent(session)}">Open it again</a></p>`
      : undefined;
  return endingPage(ending, requestId, again);
};

/** Where a URL leads, in a word: its host, or the scheme by which a program on this device is called. */
export const placeOf = (url: string): string => {
  const { host, protocol } = new URL(url);
  return host || protocol.slice(0, -1);
};

/** Between two steps: the browser goes on by itself, or when it is told to. */
export const onwardPage = (to: string): string =>
  page(
    "One moment",
    "plain",
    html`One moment`,
    html`<p>You are being sent on to <strong>${name(placeOf(to))}</strong>.</p>
<p><a class="button first" href="${to}" rel="noreferrer">Continue</a></p>`,
  );

/** All is done, and nobody waits for the browser. */
export const connectedPage = (agent: string, provider: string): string =>
  page(
    "Connected",
    "good",
    html`Connected`,
    html`<p><strong>${name(agent)}</strong> can now use <strong>${name(provider)}</strong> for you.</p>
<p>You can close this page and go back to where you came from.</p>`,
  );

/** The person, or the provider for the person, has just said no. */
export const deniedPage = (): string =>
  page(
    "Access denied",
    "plain",
    html`Access denied`,
    html`<p>The agent was given nothing, and nothing was stored.</p>
<p>You can close this page. If you change your mind, ask the agent for a new link.</p>`,
  );
