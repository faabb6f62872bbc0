import type { LightMyRequestResponse } from "fastify";
import { callback, openRequests } from "../../access/grants/authorization-requests-for-tests.ts";
import type { StoreAddress } from "../../ground/db/index.ts";
import { systemRandom } from "../../ground/kernel/index.ts";
import type { TestProvider } from "../../testing/provider.ts";
import { makeHttp, makeLog } from "../http/index.ts";
import { servePages } from "../pages/index.ts";
import { makeOtherLogin, serveAuthorize, serveOauth } from "./index.ts";

/** As a URL or a form writes it; undefined is left out, and an array repeats its name. */
export type Params = Readonly<Record<string, string | readonly string[] | undefined>>;
export const written = (params: Params): string => {
  const all = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) for (const each of [value].flat()) if (each !== undefined) all.append(name, each);
  return all.toString();
};

/** What a browser says of a navigation that nobody else brought about: from a page of the same site. */
export const ownNavigation = { "sec-fetch-site": "same-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" } as const;

/** Where an answer sends the browser, whether by a redirect or by a page that goes on by itself. */
export const nextOf = ({ headers }: LightMyRequestResponse): URL => {
  const to = headers.location ?? String(headers["refresh"] ?? "").replace(/^0; url=/, "");
  return new URL(to);
};
export const fieldsOf = (url: URL): Readonly<Record<string, string>> => Object.fromEntries(url.searchParams);

/** The authorization endpoint and its pages in front of a whole house, and browsers that keep their cookies. */
export const openAuthorize = async (store: StoreAddress, idp: Pick<TestProvider, "discoveryUrl" | "walk">) => {
  const all = await openRequests(store, idp);
  const http = await makeHttp(
    { host: "127.0.0.1", port: 0, publicUrl: "http://127.0.0.1:8700", trustedProxies: [], corsOrigins: [] },
    { log: makeLog("silent"), random: systemRandom, ping: () => Promise.resolve(), isOpen: all.tenants.isOpen },
  );
  await serveOauth(http.app, all);
  await serveAuthorize(http.app, all);
  await servePages(http.app, { ...all, otherLogin: makeOtherLogin(all) });

  const params: Params = {
    client_id: all.app.id,
    redirect_uri: callback,
    response_type: "code",
    scope: "read",
    resource: "https://api.test",
    state: "s 1&é",
    code_challenge: all.plain.codeChallenge,
    code_challenge_method: "S256",
  };

  const openBrowser = () => {
    const jar = new Map<string, string>();
    const ask = async (method: "GET" | "HEAD" | "POST", url: string, form?: string, headers: Readonly<Record<string, string>> = {}) => {
      const { pathname, search } = new URL(url, "http://127.0.0.1:8700");
      const answer = await http.app.inject({
        method,
        url: `${pathname}${search}`,
        cookies: Object.fromEntries(jar),
        headers: { ...(form !== undefined && { "content-type": "application/x-www-form-urlencoded" }), ...headers },
        ...(form !== undefined && { payload: form }),
      });
      for (const { name, value } of answer.cookies) jar.set(name, value);
      return answer;
    };
    const get = (url: string, headers?: Readonly<Record<string, string>>) => ask("GET", url, undefined, headers);
    const authorize = (more: Params = {}, headers?: Readonly<Record<string, string>>) =>
      get(`/oauth2/authorize?${written({ ...params, ...more })}`, headers);
    /** Up to where the login came back. */
    const logIn = async (more: Params = {}, headers?: Readonly<Record<string, string>>, person = "bob") =>
      get(await idp.walk(nextOf(await authorize(more, headers)).href, person));
    /** Our page, from what the login's callback answered. */
    const page = async (answer: LightMyRequestResponse) => {
      const url = nextOf(answer).pathname;
      const shown = await get(url);
      const formToken = /name="formToken" value="([\w-]+)"/.exec(shown.body)?.[1] ?? "";
      return { url, shown, formToken };
    };
    const say = async (answer: LightMyRequestResponse, decision: "allow" | "deny" = "allow") => {
      const { url, formToken } = await page(answer);
      return ask("POST", url, written({ formToken, decision }));
    };
    return { jar, ask, get, authorize, logIn, page, say, consent: async (more: Params = {}) => say(await logIn(more)) };
  };

  return {
    ...all,
    http,
    params,
    openBrowser,
    /** What the client does with its code. */
    token: async (more: Params) => {
      const form = {
        grant_type: "authorization_code",
        client_id: all.app.id,
        redirect_uri: callback,
        code_verifier: all.verifier,
        ...more,
      };
      return openBrowser().ask("POST", "/oauth2/token", written(form));
    },
    close: async () => {
      await http.close();
      await all.close();
    },
  };
};
export type Authorize = Awaited<ReturnType<typeof openAuthorize>>;
