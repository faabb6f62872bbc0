/**
 * Goes through login and consent at a provider, and answers where the browser is sent back to.
 * @param authorizationUrl An authorization request of the provider, with its `redirect_uri`
 * @param user The name to log in by
 * @param answer What the person says on the consent page; `allow` unless given
 */
export type Walk = (authorizationUrl: string, user: string, answer?: "allow" | "deny") => Promise<string>;

/** A browser's cookies, as far as one host on loopback needs them. */
const cookieJar = () => {
  const cookies = new Map<string, { value: string; path: string }>();
  return {
    take: (response: Response) => {
      for (const line of response.headers.getSetCookie()) {
        const [pair = "", ...attributes] = line.split(";").map((part) => part.trim());
        const at = pair.indexOf("=");
        const path = attributes.find((attribute) => /^path=/i.test(attribute))?.slice(5) ?? "/";
        const value = pair.slice(at + 1);
        const key = `${pair.slice(0, at)} ${path}`;
        if (value === "" || attributes.some((attribute) => /^expires=thu, 01 jan 1970/i.test(attribute))) cookies.delete(key);
        else cookies.set(key, { value, path });
      }
    },
    header: (pathname: string) =>
      [...cookies]
        .filter(([, { path }]) => pathname === path || pathname.startsWith(path.endsWith("/") ? path : `${path}/`))
        .map(([key, { value }]) => `${key.split(" ")[0]}=${value}`)
        .join("; "),
  };
};

const mostSteps = 20;

/** Walks as a person would, with a fresh browser. */
export const walkConsent: Walk = async (authorizationUrl, user, answer = "allow") => {
  const jar = cookieJar();
  const home = new URL(authorizationUrl);
  const back = home.searchParams.get("redirect_uri");
  if (back === null) throw new Error("The authorization URL has no redirect_uri.");
  const ask = async (url: URL, form?: Record<string, string>) => {
    const response = await fetch(url, {
      redirect: "manual",
      headers: { cookie: jar.header(url.pathname) },
      ...(form && { method: "POST", body: new URLSearchParams(form) }),
    });
    jar.take(response);
    return response;
  };
  let url = home;
  let form: Record<string, string> | undefined;
  for (let step = 0; step < mostSteps; step += 1) {
    const response = await ask(url, form);
    form = undefined;
    const location = response.headers.get("location");
    const text = await response.text();
    if (location !== null) {
      const next = new URL(location, url);
      if (next.href.split("?")[0] === back.split("?")[0]) return next.href;
      url = next;
      continue;
    }
    const actions = [...text.matchAll(/<form method="post" action="([^"]+)"/g)].map(([, action]) => action ?? "");
    const login = actions.find((action) => action.endsWith("/login"));
    const wanted = login ?? actions.find((action) => action.endsWith(`/${answer}`));
    if (wanted === undefined) throw new Error(`The provider answered ${response.status} without a form: ${text.slice(0, 500)}`);
    form = login === undefined ? {} : { login: user };
    url = new URL(wanted, url);
  }
  throw new Error("The provider redirects without end.");
};
