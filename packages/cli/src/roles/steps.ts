import { LegateConnectionError } from "@legate/sdk";
import type { Output } from "../output/index.ts";

/** One change of several that belong together. */
export interface Step {
  /** In words: `role AgentIdentityRole-scout`. */
  readonly what: string;
  /** What would be sent, for a dry run. */
  readonly request: Readonly<Record<string, unknown>>;
  readonly act: (signal: AbortSignal) => Promise<void>;
  /** Asked when `act` is refused: whether it is as it should be already. What was there before is never taken back. */
  readonly already?: (error: unknown, signal: AbortSignal) => Promise<boolean>;
  /** Takes it back. */
  readonly undo: () => Promise<void>;
}

/** Makes all of them or none: what was made is taken back when one fails, and it is told what was and what could not be. */
export const makeAll = async (
  steps: readonly Step[],
  out: Pick<Output, "note" | "warn" | "progress">,
  signal: AbortSignal,
): Promise<void> => {
  const made: Step[] = [];
  const progress = out.progress();
  try {
    for (const [at, step] of steps.entries()) {
      progress.say(`${at + 1} of ${steps.length}: ${step.what}`);
      try {
        signal.throwIfAborted();
        await step.act(signal);
        made.push(step);
      } catch (error) {
        if (await step.already?.(error, signal)) {
          progress.done();
          out.note(`There already: ${step.what}.`);
          continue;
        }
        progress.done();
        const unknown = error instanceof LegateConnectionError || signal.aborted;
        if (unknown) out.warn(`It is not known whether this was made: ${step.what}. Look, and delete it if it is there.`);
        for (const each of made.reverse()) {
          try {
            await each.undo();
            out.note(`Taken back: ${each.what}.`);
          } catch (failure) {
            out.warn(`Could not be taken back: ${each.what} (${failure instanceof Error ? failure.message : "unknown"}).`);
          }
        }
        throw error;
      }
    }
  } finally {
    progress.done();
  }
};
