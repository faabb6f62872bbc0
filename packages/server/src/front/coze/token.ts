import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Clients } from "../../access/clients/index.ts";
import { type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { Authn } from "../../identity/authn/index.ts";
import type { DoorTokens } from "../../identity/tokens/index.ts";
import { addressOf, type Fields, prefixOf } from "../http/index.ts";

/** The rooms that the token endpoint speaks for. */
export interface TokenRooms {
  readonly clients: Pick<Clients, "authenticate">;
  readonly authn: Pick<Authn, "proveDoor">;
  readonly doorTokens: DoorTokens;
}

const exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
const typeOfIdToken = "urn:ietf:params:oauth:token-type:id_token";
const typeOfAccessToken = "urn:ietf:params:oauth:token-type:access_token";

const invalid = (message: string) => new Refusal("invalid_request", message);

type Form = Readonly<Record<string, string>>;

/** Names that mean nothing here are passed over; none may stand twice (RFC 6749 3.2). @throws Refusal invalid_request */
const formOf = (body: unknown): Form => {
  const form = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries((body ?? {}) as Fields)) {
    if (typeof value !== "string") throw invalid("A parameter stands more than once.");
    form[name] = value;
  }
  return form;
};

/** One without a value counts as left out (RFC 6749 3.2). @throws Refusal invalid_request */
const required = (form: Form, name: string): string => {
  const value = form[name];
  if (value === undefined || value === "") throw invalid(`The parameter ${name} is missing.`);
  return value;
};

const whence = (request: FastifyRequest) => ({ tenant: prefixOf(request), requestId: request.id, address: addressOf(request) });

/** One answer, whatever was wrong: the client may have been forged, or an app that has no agent. */
const unproven = () => new Refusal("client_unauthenticated", "The client is unknown, or did not prove itself.");

/** One answer, whatever is wrong with the token (RFC 8693 2.2.2). */
const noSubject = () => invalid("The subject_token is unknown, expired, or not this client's to use.");

/** What a subject token can be refused for. */
const fallen: ReadonlySet<string> = new Set(["unauthenticated", "agent_suspended"]);

/** Adds the endpoint of both steps: whoever uses two URLs sends the same to either. */
export const serveToken = (scope: FastifyInstance, { clients, authn, doorTokens }: TokenRooms): void => {
  /** Step 1: an agent with its client secret gets an ID token, which this wire carries as `access_token`. */
  const clientOf = async (request: FastifyRequest, form: Form): Promise<Principal> => {
    const { client, who } = await clients
      .authenticate({
        ...whence(request),
        authorization: request.headers.authorization,
        clientId: form["client_id"],
        clientSecret: form["client_secret"],
        clientAssertion: form["client_assertion"],
        clientAssertionType: form["client_assertion_type"],
      })
      .catch((error: unknown) => {
        throw error instanceof Refusal && error.code === "client_unauthenticated" ? unproven() : error;
      });
    if (!client.agent) throw unproven();
    return who;
  };

  /** Step 2: the token is the whole proof, so it is bound to the client that got it (RFC 8693 2.1). */
  const subjectOf = async (request: FastifyRequest, form: Form): Promise<Principal> => {
    const clientId = required(form, "client_id");
    const token = required(form, "subject_token");
    if (required(form, "subject_token_type") !== typeOfIdToken) throw invalid(`The subject_token_type is not ${typeOfIdToken}.`);
    // RFC 8693 2.1: one kind comes out, whoever asks for another gets none.
    const wanted = form["requested_token_type"];
    if (wanted !== undefined && wanted !== "" && wanted !== typeOfAccessToken)
      throw invalid(`The requested_token_type is not ${typeOfAccessToken}.`);
    return authn.proveDoor({ ...whence(request), token, clientId }, "coze_id").catch((error: unknown) => {
      throw error instanceof Refusal && fallen.has(error.code) ? noSubject() : error;
    });
  };

  scope.post("/token", { config: { operation: "cozeToken", proves: "late" } }, async (request, reply) => {
    const form = formOf(request.body);
    const grantType = required(form, "grant_type");
    if (grantType !== "client_credentials" && grantType !== exchange)
      throw new Refusal("grant_type_unsupported", "There is no such grant here.");
    const isFirst = grantType === "client_credentials";
    const who = await (isFirst ? clientOf : subjectOf)(request, form);
    request.caller = who;
    const { token, expiresIn } = await doorTokens.issue(who, isFirst ? "coze_id" : "coze_access");
    return reply.header("pragma", "no-cache").send({
      access_token: token,
      token_type: "Bearer",
      expires_in: expiresIn,
      issued_token_type: isFirst ? typeOfIdToken : typeOfAccessToken,
    });
  });
};
