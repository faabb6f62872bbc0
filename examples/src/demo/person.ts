/** A person at a browser of their own: opens a link, types their name where a page asks for it, and presses Allow. */
export interface Person {
  readonly name: string;
  /** @returns The text of the page where it ended */
  open(link: string): Promise<string>;
}

const mostSteps = 40;

/** The form a person would send from this page, if there is one. */
const formOf = (html: string, name: string): { readonly action: string; readonly fields: Record<string, string> } | undefined => {
  const actions = [...html.matchAll(/<form method="post" action="([^"]+)"/g)].map(([, action]) => action ?? "");
  const login = actions.find((action) => action.endsWith("/login"));
  if (login !== undefined) return { action: login, fields: { login: name } };
  const allow = actions.find((action) => action.endsWith("/allow"));
  return allow === undefined ? undefined : { action: allow, fields: {} };
};

export const makePerson = (name: string): Person => {
  /** By name and path; one jar for all ports of the host, as in a real browser. */
  const cookies = new Map<string, { readonly name: string; readonly value: string; readonly path: string }>();

  const take = (response: Response) => {
    for (const line of response.headers.getSetCookie()) {
      const [pair = "", ...attributes] = line.split(";").map((part) => part.trim());
      const path = attributes.find((attribute) => /^path=/i.test(attribute))?.slice(5) ?? "/";
      const at = pair.indexOf("=");
      const cookie = { name: pair.slice(0, at), value: pair.slice(at + 1), path };
      const ended = attributes.some((attribute) => /^(max-age=0|expires=thu, 01 jan 1970)/i.test(attribute));
      if (ended || cookie.value === "") cookies.delete(`${cookie.name} ${path}`);
      else cookies.set(`${cookie.name} ${path}`, cookie);
    }
  };
  const cookieHeader = ({ pathname }: URL) =>
    [...cookies.values()]
      .filter(({ path }) => pathname === path || pathname.startsWith(path.endsWith("/") ? path : `${path}/`))
      .map((cookie) => `${cookie.name}=${cookie.value}`)
      .join("; ");

  const open = async (link: string): Promise<string> => {
    let url = new URL(link);
    let fields: Record<string, string> | undefined;
    for (let step = 0; step < mostSteps; step += 1) {
      const response = await fetch(url, {
        redirect: "manual",
        headers: { cookie: cookieHeader(url) },
        ...(fields && { method: "POST", body: new URLSearchParams(fields) }),
      });
      take(response);
      const html = await response.text();
      const location = response.headers.get("location");
      const form = location === null ? formOf(html, name) : undefined;
      if (location === null && form === undefined) {
        const text = html
          .replaceAll(/<(title|style)[^>]*>.*?<\/\1>|<[^>]+>/gs, " ")
          .replaceAll(/\s+/g, " ")
          .trim();
        if (!response.ok) throw new Error(`${name}'s browser ended on a page that answered ${response.status}: ${text.slice(0, 300)}`);
        return text;
      }
      fields = form?.fields;
      url = new URL(location ?? form?.action ?? "/", url);
    }
    throw new Error(`${name}'s browser was redirected without end.`);
  };
  return { name, open };
};
