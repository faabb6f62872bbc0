import type { FastifyInstance } from "fastify";
import { Refusal } from "../../ground/kernel/index.ts";
import { isWellFormedUrl } from "./well-formed.ts";

/** Names to values; an array where a name is repeated. Without a prototype, so that no name is special. */
export type Fields = Record<string, string | string[]>;

/** Reads what {@link isWellFormedUrl} has already let pass. */
export const parseFields = (text: string): Fields => {
  const fields = Object.create(null) as Fields;
  for (const [name, value] of new URLSearchParams(text)) {
    const before = fields[name];
    fields[name] = before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value];
  }
  return fields;
};

/** Lets the routes of this scope read `application/x-www-form-urlencoded` as {@link Fields}. */
export const readForm = (scope: FastifyInstance): void => {
  scope.addContentTypeParser("application/x-www-form-urlencoded", { parseAs: "buffer" }, (_request, body, done) => {
    const text = body.toString("latin1");
    if (isWellFormedUrl(text)) done(null, parseFields(text));
    else done(new Refusal("invalid_request", "The form is not well-formed: percent-encoded UTF-8 without NUL is read."));
  });
};
