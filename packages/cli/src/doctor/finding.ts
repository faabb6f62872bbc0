/** What a check found. */
export interface Finding {
  /** Of what: `public URL`. */
  readonly check: string;
  readonly status: "ok" | "warning" | "broken" | "skipped";
  readonly message: string;
  /** What to do about it. */
  readonly mend?: string;
}

const finding =
  (status: Finding["status"]) =>
  (check: string, message: string, mend?: string): Finding => ({ check, status, message, ...(mend !== undefined && { mend }) });

export const fine = finding("ok");
export const warning = finding("warning");
export const broken = finding("broken");
export const skipped = finding("skipped");
