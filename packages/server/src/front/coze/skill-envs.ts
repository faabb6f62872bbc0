import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import type { Projects } from "../../access/projects/index.ts";
import { type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { Authn } from "../../identity/authn/index.ts";
import { addressOf, prefixOf } from "../http/index.ts";
import { laneIn } from "./lane.ts";

/** The rooms that the skill environments' endpoint speaks for. */
export interface SkillRooms {
  readonly authn: Pick<Authn, "prove">;
  readonly projects: Pick<Projects, "variables">;
}

/** Ids of Coze's own, some beyond what a number here holds: they must be there, and select nothing. Other fields are passed over. */
const id = z.union([z.number().nonnegative().refine(Number.isInteger), z.string().min(1).max(128)]);
const skillAsk = z.object({ agent_id: id, skill_id: id, identity_ticket: z.string().max(8192).optional() });

/** Adds the endpoint of the skill-environment loader: its `patToken` is an agent's API key, and that agent's project is what is read. */
export const serveSkillEnvs = (scope: FastifyInstance, { authn, projects }: SkillRooms): void => {
  const asking = new WeakMap<FastifyRequest, Principal>();
  const onRequest = async (request: FastifyRequest): Promise<void> => {
    const { authorization } = request.headers;
    const proof = { tenant: prefixOf(request), requestId: request.id, address: addressOf(request), authorization };
    const who = await authn.prove(proof, ["agent"]);
    asking.set(request, who);
    request.caller = who;
  };

  scope.post("/skill-envs", { onRequest, config: { operation: "cozeSkillEnvs", proves: true } }, async (request, reply) => {
    const who = asking.get(request);
    if (!who) throw new Error("A request reached its handler without having been proven.");
    if (!skillAsk.safeParse(request.body).success) throw new Refusal("invalid_request", "The body needs agent_id and skill_id.");
    const { variables } = await projects.variables(who, { lane: laneIn(request) });
    const envs = Object.fromEntries(variables.map(({ name, value }) => [name, value]));
    return reply.send({ code: 0, msg: "success", data: { envs }, BaseResp: { StatusCode: 0, StatusMessage: "success" } });
  });
};
