/** Which request an event is about. */
export type Step = "id-token" | "access-token" | "integration" | "env" | "skill-env";

/** Something that happened, told to `log`. It holds no secret, token, credential or value. */
export interface LogEvent {
  readonly level: "debug" | "warn" | "error";
  readonly message: string;
  readonly step?: Step | undefined;
  /** The HTTP status. */
  readonly status?: number | undefined;
  readonly code?: string | number | undefined;
  readonly requestId?: string | undefined;
  /** From 1 up. */
  readonly attempt?: number | undefined;
  /** Milliseconds until the next attempt. */
  readonly delayMs?: number | undefined;
}

/** Hears what happens. What it throws is ignored. */
export type Log = (event: LogEvent) => void;

/** A log that can be called without care: absent or throwing, it disturbs nothing. */
export const quiet =
  (log: Log | undefined): Log =>
  (event) => {
    try {
      log?.(event);
    } catch {
      // A log that fails must not fail what it tells of.
    }
  };
