/** What a person sees at the end of a consent. */
export interface CallbackPage {
  readonly status: number;
  readonly title: string;
  readonly text: string;
  readonly requestId?: string | undefined;
}

const style =
  ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem}h1{font-size:1.5rem}small{opacity:.7}";

const escaped = (text: string) => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);

let styleHash: Promise<string> | undefined;
const hashOfStyle = () => {
  styleHash ??= crypto.subtle
    .digest("SHA-256", new TextEncoder().encode(style))
    .then((bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))));
  return styleHash;
};

export const pageHeaders = async (): Promise<Record<string, string>> => ({
  "content-type": "text/html; charset=utf-8",
  "content-security-policy": `default-src 'none'; style-src 'sha256-${await hashOfStyle()}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  ...plainHeaders,
});

/** The address of a callback carries state: it must not be stored or passed on. */
export const plainHeaders: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

export const pageHtml = ({ title, text, requestId }: CallbackPage): string =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${escaped(title)}</title><style>${style}</style></head><body><main><h1>${escaped(title)}</h1><p>${escaped(text)}</p>${
    requestId === undefined ? "" : `<p><small>Request ${escaped(requestId)}</small></p>`
  }</main></body></html>`;
