import type { FastifyRequest } from "fastify";

/**
 * The lane that a caller says it runs in. An empty header names one too, though no project knows it. `x-use-ppe`, which the original client sends
 * beside it for some lanes, says nothing more.
 */
export const laneIn = ({ headers }: FastifyRequest): string | undefined => {
  const lane = headers["x-tt-env"];
  return Array.isArray(lane) ? lane.join(", ") : lane;
};
