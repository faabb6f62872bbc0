import type { FastifyInstance } from "fastify";
import type { Limits } from "../../ground/limits/index.ts";
import { type ControlPlaneRooms, controlPlane } from "./control-plane/index.ts";
import { type DataPlaneRooms, dataPlane } from "./data-plane/index.ts";
import { type DispatchRooms, makeDispatch } from "./dispatch.ts";
import { answerErrors } from "./errors.ts";
import type { Operation } from "./operation.ts";
import { type RamRooms, ram } from "./ram.ts";
import { sts, type StsRooms } from "./sts.ts";

/** The rooms this wire speaks for. */
export type AlibabaRooms = DispatchRooms &
  ControlPlaneRooms &
  DataPlaneRooms &
  RamRooms &
  StsRooms & { readonly limits: Pick<Limits, "takeUnproven"> };

/** Every action of this wire. */
export const operationsOf = (rooms: AlibabaRooms): readonly Operation[] => [
  ...controlPlane(rooms),
  ...dataPlane(rooms),
  ...ram(rooms),
  ...sts(rooms),
];

/** Adds this wire to the server: `POST /`, for every action of every version. */
export const serveAlibaba = async (app: FastifyInstance, rooms: AlibabaRooms): Promise<void> => {
  const { answer, aboutOf } = makeDispatch(rooms, operationsOf(rooms));
  await app.register((scope, _options, done) => {
    answerErrors(scope, rooms.limits, aboutOf);
    // The signature is over the bytes, whatever their type is said to be.
    scope.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, parsed) => parsed(null, body));
    scope.post("/", { config: { operation: "alibaba", proves: "late" } }, answer);
    done();
  });
};
