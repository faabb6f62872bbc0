import type { FastifyRequest } from "fastify";
import type { ClientProof } from "../../access/clients/index.ts";
import { Refusal } from "../../ground/kernel/index.ts";
import { addressOf, type Fields, prefixOf } from "../http/index.ts";

/** A request's form: what stands once, and what may stand more than once. */
export interface Form {
  readonly parameters: Readonly<Record<string, string>>;
  /** RFC 8707 2, RFC 8693 2.1: `resource` and `audience`, in the order given, no repeats. */
  readonly targets: readonly string[];
}

const repeatable: ReadonlySet<string> = new Set(["resource", "audience"]);

/**
 * Reads a form that has been parsed. Names that mean nothing here are passed over; none may stand twice (RFC 6749 3.2).
 * @throws Refusal invalid_request
 */
export const formOf = (body: unknown): Form => {
  const parameters = Object.create(null) as Record<string, string>;
  const targets: string[] = [];
  for (const [name, value] of Object.entries((body ?? {}) as Fields)) {
    if (repeatable.has(name)) targets.push(...[value].flat().filter((target) => target !== ""));
    else if (typeof value === "string") parameters[name] = value;
    // Its name is the caller's and is not repeated.
    else throw new Refusal("invalid_request", "A parameter stands more than once.");
  }
  return { parameters, targets: [...new Set(targets)] };
};

/** A parameter; one without a value counts as left out (RFC 6749 3.2). */
export const given = ({ parameters }: Form, name: string): string | undefined => parameters[name] || undefined;

/** @throws Refusal invalid_request where it is missing */
export const required = (form: Form, name: string): string => {
  const value = given(form, name);
  if (value === undefined) throw new Refusal("invalid_request", `The parameter ${name} is missing.`);
  return value;
};

/** RFC 6749 3.3. @throws Refusal scope_invalid for what is no list of scope tokens */
export const scopesIn = (form: Form): readonly string[] | undefined => {
  const scopes = [...new Set((given(form, "scope") ?? "").split(" ").filter((scope) => scope !== ""))].sort();
  if (!scopes.every((scope) => /^[\x21\x23-\x5B\x5D-\x7E]+$/.test(scope)))
    throw new Refusal("scope_invalid", "The scope is not a list of scope tokens (RFC 6749 3.3).");
  return scopes.length === 0 ? undefined : scopes;
};

/** How a request's client proves itself (RFC 6749 2.3, RFC 7523 2.2). */
export const clientProofOf = (request: FastifyRequest, form: Form): ClientProof => ({
  authorization: request.headers.authorization,
  clientId: form.parameters["client_id"],
  clientSecret: form.parameters["client_secret"],
  clientAssertion: form.parameters["client_assertion"],
  clientAssertionType: form.parameters["client_assertion_type"],
  tenant: prefixOf(request),
  requestId: request.id,
  address: addressOf(request),
});
