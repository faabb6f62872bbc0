import type { Canaries } from "./canaries.ts";

/** What was asked, and all that came back: status, headers and body. */
export interface Recorded {
  readonly asked: string;
  readonly text: string;
  readonly status: number;
  /** Names of secrets that this answer exists to show, by their beginnings. */
  readonly shows: readonly string[];
}

interface Ask {
  readonly token?: string | undefined;
  readonly json?: unknown;
  readonly body?: string | URLSearchParams;
  readonly headers?: Readonly<Record<string, string>>;
  readonly shows?: readonly string[];
}

/** Calls a server and keeps every answer. */
export const recordedWire = (url: string) => {
  const answers: Recorded[] = [];
  return {
    answers: (): readonly Recorded[] => answers,
    call: async (method: string, path: string, { token, json, body, headers, shows = [] }: Ask = {}) => {
      const response = await fetch(new URL(path, url), {
        method,
        redirect: "manual",
        headers: {
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...(json !== undefined && { "content-type": "application/json" }),
          ...headers,
        },
        ...(json !== undefined && { body: JSON.stringify(json) }),
        ...(body !== undefined && { body }),
      });
      const said = await response.text();
      const heads = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
      answers.push({ asked: `${method} ${path.slice(0, 60)}`, text: `${heads}\n\n${said}`, status: response.status, shows });
      const isJson = response.headers.get("content-type")?.includes("json") ?? false;
      return {
        status: response.status,
        headers: response.headers,
        said,
        json: (isJson ? JSON.parse(said) : {}) as Record<string, unknown> & { readonly items?: readonly { readonly id: string }[] },
      };
    },
    /** Answers that hold secrets they do not exist to show. */
    leaks: (canaries: Canaries): readonly string[] =>
      answers.flatMap(({ asked, text, status, shows }) => {
        const found = canaries.foundIn(text).filter((name) => !shows.some((shown) => name.replace(/^signature of /, "").startsWith(shown)));
        return found.length === 0 ? [] : [`${asked} (${status}): ${found.join(", ")}`];
      }),
    /** How many answers hold this very text. */
    showing: (secret: string): number => answers.filter(({ text }) => text.includes(secret)).length,
  };
};

export type RecordedWire = ReturnType<typeof recordedWire>;
