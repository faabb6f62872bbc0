import { type Session, sessionUriOf } from "./session.ts";

/** As a header may carry it: what stands on the agent's list may hold letters that a header may not. */
const forHeader = (url: string): string => (/^[\x21-\x7e]+$/.test(url) ? url : new URL(url).href);

/** Where the browser goes when Legate is done with it: the session's return URL with what was added, its own query untouched. */
export const returnTo = (
  session: Session,
  more: { readonly error?: "access_denied"; readonly proof?: string | undefined } = {},
): string | undefined => {
  const { id, returnUrl, customState } = session;
  if (returnUrl === undefined) return undefined;
  const added = { session_uri: sessionUriOf(id, more.proof), state: customState, error: more.error };
  const query = Object.entries(added)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`]))
    .join("&");
  const joint = returnUrl.includes("?") ? (/[?&]$/.test(returnUrl) ? "" : "&") : "?";
  return forHeader(`${returnUrl}${joint}${query}`);
};
