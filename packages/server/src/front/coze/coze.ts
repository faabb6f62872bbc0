import type { FastifyInstance } from "fastify";
import type { Limits } from "../../ground/limits/index.ts";
import { readForm, readJson } from "../http/index.ts";
import { answerSecretErrors, answerSkillErrors, answerTokenErrors } from "./errors.ts";
import { type SecretRooms, serveSecrets } from "./secrets.ts";
import { serveSkillEnvs, type SkillRooms } from "./skill-envs.ts";
import { serveToken, type TokenRooms } from "./token.ts";

/** The rooms this wire speaks for. */
export type CozeRooms = TokenRooms & SecretRooms & SkillRooms & { readonly limits: Pick<Limits, "takeUnproven"> };

/** Where this wire is. Its clients put paths together as texts, so that slashes come twice and at the end: below it they count once. */
export const cozePrefix = "/coze";

/** Adds this wire to the server: the token endpoint, the secrets, the skill environments. */
export const serveCoze = async (app: FastifyInstance, rooms: CozeRooms): Promise<void> => {
  await app.register(
    async (wire) => {
      answerSecretErrors(wire);
      // What is not found below the prefix is said as the secret endpoints say it: http refuses, this scope encodes.
      wire.setNotFoundHandler(() => undefined);
      await wire.register((scope, _options, done) => {
        readForm(scope);
        answerTokenErrors(scope, rooms.limits);
        serveToken(scope, rooms);
        done();
      });
      await wire.register((scope, _options, done) => {
        readJson(scope);
        serveSecrets(scope, rooms);
        done();
      });
      await wire.register((scope, _options, done) => {
        readJson(scope);
        answerSkillErrors(scope);
        serveSkillEnvs(scope, rooms);
        done();
      });
    },
    { prefix: cozePrefix },
  );
};
