import type { FastifyInstance } from "fastify";
import { Refusal } from "../../ground/kernel/index.ts";
import { isWellFormedUrl } from "./well-formed.ts";

/** Names to values; an array where a name is repeated. Without a prototype, so that no name is special. */
export type Fields = Record<string, string | string[]>;

/** How many fields a form or a query may have: far more than any wire knows names. */
export const mostFields = 1_000;

/** Whether a form or a URL has more fields than are read. */
export const hasTooManyFields = (text: string): boolean => text.split("&", mostFields + 1).length > mostFields;

/**
 * Reads what {@link isWellFormedUrl} has already let pass.
 * @throws Refusal invalid_request for more than {@link mostFields}
 */
export const parseFields = (text: string): Fields => {
  if (hasTooManyFields(text)) throw new Refusal("invalid_request", `More than ${mostFields} fields are not read.`);
  const fields = Object.create(null) as Fields;
  for (const [name, value] of new URLSearchParams(text)) {
    const before = fields[name];
    if (before === undefined) fields[name] = value;
    // A copy for each repetition would take time in the square of their number.
    else if (Array.isArray(before)) before.push(value);
    else fields[name] = [before, value];
  }
  return fields;
};

/** Lets the routes of this scope read `application/x-www-form-urlencoded` as {@link Fields}. */
export const readForm = (scope: FastifyInstance): void => {
  scope.addContentTypeParser("application/x-www-form-urlencoded", { parseAs: "buffer" }, (_request, body, done) => {
    const text = body.toString("latin1");
    let fields: Fields;
    try {
      if (!isWellFormedUrl(text))
        throw new Refusal("invalid_request", "The form is not well-formed: percent-encoded UTF-8 without NUL is read.");
      fields = parseFields(text);
    } catch (refusal) {
      done(refusal as Error);
      return;
    }
    done(null, fields);
  });
};
