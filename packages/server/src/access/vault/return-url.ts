import type { Seal } from "../../ground/seal/index.ts";
import { customStateIdentity, type Session, sessionUriOf } from "./session.ts";

/** As a header may carry it: what stands on the agent's list may hold letters that a header may not. */
const forHeader = (url: string): string => (/^[\x21-\x7e]+$/.test(url) ? url : new URL(url).href);

/** What is told at the return URL beside the session itself. */
interface Told {
  readonly error?: "access_denied";
  readonly proof?: string | undefined;
}

/** A return URL with what is added, its own query untouched. */
export const withAnswer = (returnUrl: string, id: string, customState: string | undefined, more: Told = {}): string => {
  const added = { session_uri: sessionUriOf(id, more.proof), state: customState, error: more.error };
  const query = Object.entries(added)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`]))
    .join("&");
  const joint = returnUrl.includes("?") ? (/[?&]$/.test(returnUrl) ? "" : "&") : "?";
  return forHeader(`${returnUrl}${joint}${query}`);
};

/** Where the browser goes when Legate is done with it; undefined where the session has no return URL. */
export const returnTo = async (seal: Pick<Seal, "open">, session: Session, told?: Told): Promise<string | undefined> => {
  const { id, key, returnUrl, sealedCustomState: sealed } = session;
  if (returnUrl === undefined) return undefined;
  return withAnswer(returnUrl, id, sealed === undefined ? undefined : await seal.open(key.tenant, customStateIdentity(id), sealed), told);
};
