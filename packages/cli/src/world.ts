import type { Readable, Writable } from "node:stream";
import type { Environment } from "./environment.ts";

/** A stream that may be a terminal. */
export type Sink = Writable & { readonly isTTY?: boolean; readonly columns?: number };
export type Source = Readable & { readonly isTTY?: boolean };

/** A command that was started: how it ended. */
export type Ended = { readonly code: number } | { readonly signal: NodeJS.Signals } | { readonly failed: string };

/** How a command is started: with this environment, the streams of this process, and the signals that reach it. */
export type Start = (command: string, args: readonly string[], env: Readonly<Record<string, string | undefined>>) => Promise<Ended>;

/** Everything a command meets outside of itself. */
export interface World {
  readonly env: Environment;
  readonly stdin: Source;
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly platform: NodeJS.Platform;
  readonly fetch: typeof globalThis.fetch;
  /** The time in milliseconds. */
  readonly clock: () => number;
  /** So many random bytes as hexadecimal digits. */
  readonly randomHex: (bytes: number) => string;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** Asks the person at the terminal, a secret without showing it. Undefined when they gave up. */
  readonly ask: (message: string, how?: { readonly hidden?: boolean; readonly initial?: string }) => Promise<string | undefined>;
  readonly start: Start;
  /** Aborts `act`'s signal when the person interrupts, instead of ending the process at once. */
  readonly interruptible: <T>(act: (signal: AbortSignal) => Promise<T>) => Promise<T>;
}
