import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import type { Projects } from "../../access/projects/index.ts";
import { type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { Authn } from "../../identity/authn/index.ts";
import { addressOf, type Fields, prefixOf } from "../http/index.ts";
import { laneIn } from "./lane.ts";

/** The rooms that the secret endpoints speak for. */
export interface SecretRooms {
  readonly authn: Pick<Authn, "proveDoor">;
  readonly projects: Pick<Projects, "variables" | "integration">;
}

/** Other fields are passed over. */
const integrationAsk = z.object({ integration_name: z.string().min(1).max(128) });

/** RFC 6750 2.1. */
const bearer = (authorization: string | undefined): string | undefined =>
  /^Bearer +([A-Za-z0-9._~+/-]+=*) *$/i.exec(authorization ?? "")?.[1];

/** The project a caller of 0.1.2 names. @throws Refusal invalid_request */
const projectIn = (request: FastifyRequest): string | undefined => {
  const { project_id: project } = request.query as Fields;
  if (Array.isArray(project)) throw new Refusal("invalid_request", "The parameter project_id stands more than once.");
  return project;
};

/** Adds the endpoints where an agent reads what its project holds. Both paths of the credential are those of one version of the original each. */
export const serveSecrets = (scope: FastifyInstance, { authn, projects }: SecretRooms): void => {
  const asking = new WeakMap<FastifyRequest, Principal>();
  /** Before the body is read: nobody makes us parse without a live token. */
  const onRequest = async (request: FastifyRequest): Promise<void> => {
    const who = await authn.proveDoor(
      { tenant: prefixOf(request), requestId: request.id, address: addressOf(request), token: bearer(request.headers.authorization) },
      "coze_access",
    );
    asking.set(request, who);
    request.caller = who;
  };
  const callerOf = (request: FastifyRequest): Principal => {
    const who = asking.get(request);
    if (!who) throw new Error("A request reached its handler without having been proven.");
    return who;
  };

  for (const path of ["/secret", "/secret/integration"])
    scope.post(path, { onRequest, config: { operation: "cozeIntegration", proves: true } }, async (request, reply) => {
      const ask = integrationAsk.safeParse(request.body);
      if (!ask.success) throw new Refusal("invalid_request", "The body needs integration_name, a text of 1 to 128 characters.");
      const credential = await projects.integration(callerOf(request), ask.data.integration_name, { lane: laneIn(request) });
      return reply.send({ code: 0, msg: "success", data: { credential } });
    });

  // Fastify would answer HEAD by running GET, which leaves its row in the record.
  const alone = { exposeHeadRoute: false };
  scope.get("/secret/env", { ...alone, onRequest, config: { operation: "cozeEnv", proves: true } }, async (request, reply) => {
    const { variables } = await projects.variables(callerOf(request), { lane: laneIn(request), project: projectIn(request) });
    const secrets = variables.map(({ name, value }) => ({ key: name, value }));
    return reply.send({ code: 0, msg: "success", data: { secrets } });
  });
};
