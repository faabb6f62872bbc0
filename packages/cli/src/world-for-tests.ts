import { Readable, Writable } from "node:stream";
import { commands, groups } from "./commands/index.ts";
import { readEnvironment } from "./environment.ts";
import { runProgram } from "./program.ts";
import type { Sink, World } from "./world.ts";

/** A stream that keeps what is written to it. */
export const keeper = (terminal?: { readonly columns: number }) => {
  let text = "";
  const sink: Sink = Object.assign(
    new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        text += chunk.toString();
        done();
      },
    }),
    terminal ? { isTTY: true, columns: terminal.columns } : {},
  );
  return { sink, text: () => text };
};

/** What a test's world is made with. */
export interface TestWorld {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly terminal?: { readonly columns: number };
  /** Answers to requests; without it none may be made. */
  readonly fetch?: typeof globalThis.fetch;
  /** What the person types when asked. */
  readonly types?: readonly string[];
  readonly more?: Partial<World>;
}

/** Runs a command line inside the test, in a world of its own. */
export const runHere = async (words: readonly string[], { env = {}, stdin = "", terminal, fetch, types = [], more }: TestWorld = {}) => {
  const out = keeper(terminal);
  const err = keeper(terminal);
  const asked: string[] = [];
  const requests: { url: string; init: RequestInit | undefined }[] = [];
  const answers = [...types];
  const world: World = {
    env: readEnvironment("linux", { HOME: "/nowhere", XDG_CONFIG_HOME: "/nowhere/config", ...env }),
    stdin: Object.assign(Readable.from([stdin]), terminal ? { isTTY: true } : {}),
    stdout: out.sink,
    stderr: err.sink,
    platform: "linux",
    fetch: (input, init) => {
      requests.push({ url: String(input instanceof Request ? input.url : input), init });
      if (!fetch) throw new Error("This test makes no requests.");
      return fetch(input, init);
    },
    clock: () => Date.parse("2026-11-21T10:00:00Z"),
    randomHex: (bytes) => "0b".repeat(bytes),
    sleep: () => Promise.resolve(),
    ask: (message) => {
      asked.push(message);
      return Promise.resolve(answers.shift());
    },
    start: () => Promise.resolve({ code: 0 }),
    interruptible: (act) => act(new AbortController().signal),
    ...more,
  };
  const code = await runProgram({ version: "0.0.0", groups, commands }, world, words);
  return { code, stdout: out.text(), stderr: err.text(), asked, requests };
};
