import { envKeys } from "./env-keys.ts";

/**
 * The headers that choose a lane, the same on all requests. The lane is compared exactly: `none` is a lane, and so is the empty string.
 */
export const laneHeaders = (lane: string): Readonly<Record<string, string>> => {
  if (lane === envKeys.DEFAULT_COZE_SERVER_ENV) return {};
  return { "x-tt-env": lane, ...(lane.startsWith("ppe_") && { "x-use-ppe": "1" }) };
};
