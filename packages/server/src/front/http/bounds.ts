import type { FastifyInstance } from "fastify";
import { Refusal } from "../../ground/kernel/index.ts";
import { addressKey } from "../../ground/limits/index.ts";
import { addressOf } from "./address.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Answered however busy the server is, and limited for nobody: health and metrics. */
    vital?: boolean;
  }
  interface FastifyRequest {
    /** Whose place it takes while it is worked on: an address, as limits count them. */
    place: string | undefined;
  }
}

interface Needs {
  /** Requests that are worked on at once. */
  readonly inFlight: number;
  /** The same of one address: no one may take all places. */
  readonly inFlightFromOne: number;
  /** Pieces of work that wait for the store. */
  readonly queued: number;
  /** How many wait for the store now. */
  readonly waiting: () => number;
}

/** For a request whose caller hung up to end by itself, in milliseconds: longer than any provider may take. */
const patience = 60_000;

const isStream = (payload: unknown): boolean => typeof payload === "object" && payload !== null && "pipe" in payload;

/**
 * Bounds how much is worked on at once, so that a flood costs answers and not memory: whoever comes while every place is taken hears 503 and when to
 * try again, before anything is read, looked up or parsed. A request holds its place until it is answered, also where its caller hung up meanwhile:
 * its work goes on.
 */
export const boundWork = (app: FastifyInstance, { inFlight: most, inFlightFromOne, queued, waiting }: Needs) => {
  let inFlight = 0;
  let turnedAway = 0;
  const from = new Map<string, number>();

  const leave = (request: { place: string | undefined }): void => {
    const { place } = request;
    if (place === undefined) return;
    request.place = undefined;
    inFlight -= 1;
    const left = (from.get(place) ?? 1) - 1;
    if (left === 0) from.delete(place);
    else from.set(place, left);
  };

  app.decorateRequest("place", undefined);
  app.addHook("onRequest", (request, reply, done) => {
    const place = addressKey(addressOf(request));
    const taken = from.get(place) ?? 0;
    const vital = !request.is404 && request.routeOptions.config?.vital === true;
    if (!vital && (inFlight >= most || taken >= inFlightFromOne || waiting() >= queued)) {
      turnedAway += 1;
      // Those who are turned away together do not come back together.
      done(new Refusal("unavailable", "Too much is being worked on right now. Try again.", { retryAfter: 1 + (turnedAway % 5) }));
      return;
    }
    inFlight += 1;
    from.set(place, taken + 1);
    request.place = place;
    // One that hung up before its work began may never be answered at all.
    reply.raw.once("close", () => {
      if (request.place !== undefined) setTimeout(leave, patience, request).unref();
    });
    done();
  });
  app.addHook("onSend", (request, reply, payload, done) => {
    // What streams is at work until its last byte.
    if (isStream(payload) && !reply.raw.closed) reply.raw.once("close", () => leave(request));
    else leave(request);
    done(null, payload);
  });

  return { inFlight: (): number => inFlight, turnedAway: (): number => turnedAway };
};
export type Bounds = ReturnType<typeof boundWork>;
