import { jsonFault } from "./json-fault.ts";

/**
 * Parses a JSON object in which no name stands twice, at any depth: readers disagree on which of the two counts (RFC 7519 4).
 *
 * @throws SyntaxError for anything else
 */
export const parseStrictObject = (text: string): Readonly<Record<string, unknown>> => {
  const parsed: unknown = JSON.parse(text);
  const fault = jsonFault(text);
  if (fault !== undefined) throw new SyntaxError(fault);
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw new SyntaxError("not an object");
  return parsed as Readonly<Record<string, unknown>>;
};
