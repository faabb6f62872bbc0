import type { FastifyInstance } from "fastify";
import type { Limits } from "../../ground/limits/index.ts";
import { readForm } from "../http/index.ts";
import { type DiscoveryRooms, serveDiscovery } from "./discovery.ts";
import { answerErrors } from "./errors.ts";
import { serveToken, type TokenRooms } from "./token.ts";
import { serveUserinfo, type UserinfoRooms } from "./userinfo.ts";

/** The rooms this wire speaks for. */
export type OauthRooms = TokenRooms & UserinfoRooms & DiscoveryRooms & { readonly limits: Pick<Limits, "takeUnproven"> };

/** Adds this wire to the server: the endpoints of clients, userinfo, and the metadata that tells where they are. */
export const serveOauth = async (app: FastifyInstance, rooms: OauthRooms): Promise<void> => {
  serveDiscovery(app, rooms);
  serveUserinfo(app, rooms);
  await app.register((scope, _options, done) => {
    readForm(scope);
    answerErrors(scope, rooms.limits);
    serveToken(scope, rooms);
    done();
  });
  // What is not found here is said as this wire says it: http refuses, this scope encodes.
  await app.register(
    (scope, _options, done) => {
      answerErrors(scope, rooms.limits);
      scope.setNotFoundHandler(() => undefined);
      done();
    },
    { prefix: "/oauth2" },
  );
};
