import { nothing, type Operation } from "@legate/contract";
import type { Context } from "./command.ts";
import { redacted } from "./fields.ts";
import { cellOf } from "./output/index.ts";

type Item = Readonly<Record<string, unknown>>;

/** A request as it would be sent, its secrets taken out. */
export const shownRequest = (endpoint: string, operation: Operation, parts: { params: Item; query: Item; body?: unknown }): Item => {
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(parts.params[name])));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parts.query)) if (value !== undefined) search.set(name, cellOf(value));
  return {
    method: operation.method,
    url: `${endpoint}${path}${search.size > 0 ? `?${search.toString()}` : ""}`,
    ...(operation.body !== nothing && { body: redacted(parts.body) }),
  };
};

/** Tells what would be asked. */
export const tellDryRun = async ({ out }: Context, requests: readonly Item[]): Promise<void> => {
  if (out.json) return out.document({ dryRun: true, requests });
  for (const { method, url, ...rest } of requests) {
    const sent = "body" in rest ? rest["body"] : rest;
    const shown = Object.keys(rest).length === 0 ? "" : `${JSON.stringify(sent, undefined, 2)}\n`;
    await out.raw(`${String(method)} ${String(url)}\n${shown}`);
  }
  out.note("Nothing was sent.");
};
