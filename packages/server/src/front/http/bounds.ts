import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { Refusal } from "../../ground/kernel/index.ts";
import { addressKey } from "../../ground/limits/index.ts";
import { addressOf } from "./address.ts";

/** A place that is taken until the work is done. */
interface Place {
  /** Whose it is: an address, as limits count them. */
  readonly of: string;
  isTaken: boolean;
  /** Gives it back at last, where the caller hung up. */
  late: NodeJS.Timeout | undefined;
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** Answered however busy the server is, and limited for nobody: health and metrics. */
    vital?: boolean;
  }
  interface FastifyRequest {
    /** The place it takes while it is worked on. */
    place: Place | undefined;
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

  const leave = (place: Place | undefined): void => {
    if (!place?.isTaken) return;
    place.isTaken = false;
    clearTimeout(place.late);
    inFlight -= 1;
    const left = (from.get(place.of) ?? 1) - 1;
    if (left === 0) from.delete(place.of);
    else from.set(place.of, left);
  };

  /** @throws Refusal unavailable where there is no place for it */
  const placeFor = (request: FastifyRequest): string => {
    const of = addressKey(addressOf(request));
    const vital = !request.is404 && request.routeOptions.config?.vital === true;
    if (vital || (inFlight < most && (from.get(of) ?? 0) < inFlightFromOne && waiting() < queued)) return of;
    turnedAway += 1;
    // Those who are turned away together do not come back together.
    throw new Refusal("unavailable", "Too much is being worked on right now. Try again.", { retryAfter: 1 + (turnedAway % 5) });
  };
  const enter = (request: FastifyRequest, reply: FastifyReply): void => {
    const place: Place = { of: placeFor(request), isTaken: true, late: undefined };
    inFlight += 1;
    from.set(place.of, (from.get(place.of) ?? 0) + 1);
    request.place = place;
    // One that hung up before its work began may never be answered at all. The request is not held until then: its body can be long.
    reply.raw.once("close", () => {
      if (place.isTaken) place.late = setTimeout(leave, patience, place).unref();
    });
  };
  const trying = (act: () => unknown, done: (refusal?: Error) => void): void => {
    try {
      act();
    } catch (refusal) {
      done(refusal as Error);
      return;
    }
    done();
  };

  app.decorateRequest("place", undefined);
  // Where a caller is proven first, a place is taken before anything is looked up. Where nobody is, a body may come as slowly as anybody likes: it is
  // work only once it is here, or two strangers could hold every place.
  const proves = (request: FastifyRequest): boolean => request.routeOptions.config?.proves === true;
  app.addHook("onRequest", (request, reply, done) => trying(() => (proves(request) ? enter(request, reply) : placeFor(request)), done));
  app.addHook("preValidation", (request, reply, done) => trying(() => (proves(request) ? undefined : enter(request, reply)), done));
  app.addHook("onSend", (request, reply, payload, done) => {
    // What streams is at work until its last byte.
    if (isStream(payload) && !reply.raw.closed) reply.raw.once("close", () => leave(request.place));
    else leave(request.place);
    done(null, payload);
  });

  return { inFlight: (): number => inFlight, turnedAway: (): number => turnedAway };
};
export type Bounds = ReturnType<typeof boundWork>;
