import type { FastifyInstance } from "fastify";
import { type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { Limits } from "../../ground/limits/index.ts";
import { addressOf } from "./address.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Whether whoever asks is proven before anything is done, or `late`, once the body is read; then the proof is what is limited, and not the address. */
    proves?: boolean | "late";
  }
  interface FastifyRequest {
    /** Who was proven to ask: the wire that proves says so, and the answer tells what they may still do. */
    caller: Principal | undefined;
  }
}

/** Hears of a request that was refused before anybody was proven. */
export type OnLimited = (from: { readonly requestId: string; readonly address: string }, limit: unknown) => void;

interface Needs {
  readonly limits: Pick<Limits, "takeUnproven" | "allowanceOf" | "allowanceAt">;
  readonly onLimited: OnLimited;
}

/**
 * Limits addresses where nobody is proven, and tells on every limited answer what is left: the fields of draft-ietf-httpapi-ratelimit-headers 0 to 6,
 * which are the ones that clients read.
 */
export const limitRates = (app: FastifyInstance, { limits, onLimited }: Needs): void => {
  app.addHook("onRequest", (request, _reply, done) => {
    const { vital, proves = false } = request.routeOptions.config ?? {};
    if (!request.is404 && (vital === true || proves !== false)) {
      done();
      return;
    }
    const address = addressOf(request);
    try {
      limits.takeUnproven(address);
    } catch (error) {
      if (error instanceof Refusal) onLimited({ requestId: request.id, address }, error.details["limit"]);
      done(error as Error);
      return;
    }
    done();
  });
  app.addHook("onSend", (request, reply, payload, done) => {
    const { vital, proves = false } = request.routeOptions.config ?? {};
    const known = !request.is404;
    if ((known && vital === true) || reply.hasHeader("ratelimit-limit")) {
      done(null, payload);
      return;
    }
    const allowance = request.caller
      ? limits.allowanceOf(request.caller)
      : known && proves !== false
        ? undefined
        : limits.allowanceAt(addressOf(request));
    if (allowance) {
      reply
        .header("ratelimit-limit", String(allowance.limit))
        .header("ratelimit-remaining", String(allowance.remaining))
        .header("ratelimit-reset", String(allowance.reset));
    }
    done(null, payload);
  });
};
