/** The middle one of some values. */
export const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

export const percent = (share: number): string => `${(share * 100).toFixed(0)}%`;
export const count = (value: number): string => Math.round(value).toLocaleString("en");
export const milliseconds = (value: number): string => value.toFixed(value < 10 ? 2 : 0);
export const megabytes = (memory: { readonly now: number; readonly peak: number } | undefined): string =>
  memory === undefined ? "not told" : `${memory.now} MB, ${memory.peak} MB at most`;

/** A Markdown table. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
