import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import cors from "@fastify/cors";
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from "fastify";
import type { Config } from "../../config/index.ts";
import { type Random, Refusal } from "../../ground/kernel/index.ts";
import type { Limits } from "../../ground/limits/index.ts";
import { addressOf } from "./address.ts";
import { boundWork } from "./bounds.ts";
import { answerMalformed } from "./client-error.ts";
import { guardConnections } from "./connections.ts";
import { answerPlainly } from "./failures.ts";
import { hasTooManyFields, mostFields, parseFields } from "./form.ts";
import { serveFrontDoor } from "./front-door.ts";
import { serveHealth } from "./health.ts";
import type { Log } from "./log.ts";
import { refuseUnrouted } from "./methods.ts";
import { countRequests } from "./metrics.ts";
import { limitRates, type OnLimited } from "./rates.ts";
import { securityHeaders } from "./security-headers.ts";
import { kindlyBelow } from "./slashes.ts";
import { startTelemetry, traceRequests } from "./telemetry.ts";
import { refuseClosedTenants, stripTenant } from "./tenant-prefix.ts";
import { isWellFormedUrl, malformedHeader, pathOf } from "./well-formed.ts";

export type HttpSettings = Pick<Config, "host" | "port" | "publicUrl" | "trustedProxies" | "corsOrigins" | "tls" | "telemetry"> & {
  /** Other than the defaults; times in milliseconds, sizes in bytes. */
  readonly limits?: Partial<typeof defaultLimits>;
};

interface Parts {
  readonly log: Log;
  readonly random: Random;
  /** Rejects when the store cannot be read. */
  readonly ping: () => Promise<unknown>;
  /** Whether there is such a tenant, neither suspended nor deleted; left out, no tenant but the default one has addresses. */
  readonly isOpen?: (tenant: string) => Promise<boolean>;
  /** Without them nobody is limited. */
  readonly rates?: Pick<Limits, "takeUnproven" | "allowanceOf" | "allowanceAt" | "refused">;
  /** Hears of each request that came to nothing because its address asks too often. */
  readonly onLimited?: OnLimited;
  /** Below these prefixes slashes that come twice or at the end of a path do no harm, and what cannot be read is refused there. */
  readonly kindBelow?: readonly string[];
  /** How much work waits for the store. */
  readonly waiting?: () => number;
}

const defaultLimits = {
  body: 256 * 1024,
  headers: 16 * 1024,
  /** For a request's headers to arrive. */
  headersTimeout: 15_000,
  /** For a whole request to arrive. */
  requestTimeout: 30_000,
  /** Without a byte in either direction: longer than any provider may take. */
  idleTimeout: 120_000,
  /** Between two requests on a connection: longer than the 60 s after which common load balancers let go. */
  keepAliveTimeout: 65_000,
  /** While closing, for requests that are on their way over open connections to arrive: cut off, they would be lost unanswered. */
  linger: 100,
  /** For what was accepted to be answered while closing. */
  drain: 25_000,
  /** For the store to answer `/readyz`. */
  ping: 2_000,
  /** Requests that are worked on at once, and those of one address among them. */
  inFlight: 1_000,
  inFlightFromOne: 500,
  /** Pieces of work that wait for the store, beyond which no more is begun. */
  queued: 1_000,
  /** Open connections, and those of one address among them. */
  connections: 10_000,
  connectionsFromOne: 2_000,
  /** Connections that arrived and are not open yet. */
  backlog: 4_096,
  /** Without any of an answer being taken by who asked for it. */
  writeStall: 30_000,
  /** Of answers that nobody has taken yet, in all; beyond it a stalled reader is cut off within two seconds. */
  unread: 64 * 1024 * 1024,
};

/** The server: `app` takes the wires; `listen` and `close` are its life. */
export interface Http {
  readonly app: FastifyInstance;
  /** Answers the address it listens on. */
  readonly listen: () => Promise<string>;
  /** Accepts no more, answers what was accepted, then closes; whoever is still busy after the limit is cut off. */
  readonly close: () => Promise<void>;
}

/** Each wire reads and writes what is its own. Told so, Fastify leaves the compilers of its own schemas, 100 modules, on the disk. */
const noSchemas = (): never => {
  throw new Error("A route has a schema of Fastify's.");
};

/** Where a URL goes that cannot be read: nowhere. */
const unreadable = "/-";

/** What keeps a URL from being read. */
const faultOf = (url: string): string | undefined => {
  if (url === "") return "The request names neither a path nor an http URL.";
  if (!isWellFormedUrl(url)) return "The URL is not percent-encoded, well-formed UTF-8 without NUL.";
  return hasTooManyFields(url) ? `The URL has more than ${mostFields} fields.` : undefined;
};

/**
 * Makes the server: limits, request ids, security headers, health, metrics, logs, and the refusals that need no wire. It reads no body of any type;
 * each wire's scope adds the types it reads.
 */
export const makeHttp = async (
  settings: HttpSettings,
  {
    log,
    random,
    ping,
    isOpen = () => Promise.resolve(false),
    rates,
    onLimited = () => undefined,
    kindBelow = [],
    waiting = () => 0,
  }: Parts,
): Promise<Http> => {
  const limits = { ...defaultLimits, ...settings.limits };
  const secure = settings.publicUrl.startsWith("https:");
  const newRequestId = () => `req_${random(16).toString("hex")}`;
  /** What is wrong with the URL of a request. */
  const malformed = new WeakMap<IncomingMessage, string>();
  const kindly = kindlyBelow(kindBelow, unreadable);
  let draining = false;

  const server = {
    maxHeaderSize: limits.headers,
    headersTimeout: limits.headersTimeout,
    connectionsCheckingInterval: 1_000,
    // Refused below, in our own words and with a request id.
    requireHostHeader: false,
  };
  const tls = settings.tls && {
    cert: readFileSync(settings.tls.certPath),
    key: readFileSync(settings.tls.keyPath),
    handshakeTimeout: limits.headersTimeout,
    ...server,
  };
  const app = fastify({
    ...(tls ? { https: tls } : { http: server }),
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    // Fastify would make a logger for each request, which costs more than all that most requests ever log. Each line names its request itself.
    childLoggerFactory: (logger) => logger,
    // An id that a caller chose would let it write into our logs, and answer for another's request.
    requestIdHeader: false,
    genReqId: newRequestId,
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    bodyLimit: limits.body,
    requestTimeout: limits.requestTimeout,
    connectionTimeout: limits.idleTimeout,
    keepAliveTimeout: limits.keepAliveTimeout,
    forceCloseConnections: "idle",
    return503OnClosing: false,
    trustProxy: settings.trustedProxies.length > 0 ? [...settings.trustedProxies] : false,
    routerOptions: { querystringParser: parseFields, maxParamLength: limits.headers },
    // A URL that cannot be read would end outside of hooks and error handlers; this way it is refused like all else.
    rewriteUrl: (raw) => {
      const url = pathOf(raw.method, raw.url ?? "/");
      const fault = faultOf(url);
      if (fault === undefined) return kindly.mended(stripTenant(raw, url));
      malformed.set(raw, fault);
      return kindly.refusedAt(url);
    },
    clientErrorHandler: answerMalformed(newRequestId, log),
  }) as unknown as FastifyInstance;
  // Both Node and Fastify end idle connections the moment they close, though the next request may already be in such a connection's buffer.
  const { server: listener } = app;
  const endIdle = listener.closeIdleConnections.bind(listener);
  listener.closeIdleConnections = () => setTimeout(endIdle, limits.linger);
  // RFC 9110 10.1.1: an expectation that is not known may be left aside; Node would answer it in words of its own.
  listener.on("checkExpectation", (request, response) => listener.emit("request", request, response));
  const unguard = guardConnections(listener, { ...limits, trustedProxies: settings.trustedProxies });
  app.addHook("onClose", unguard);
  app.removeAllContentTypeParsers();

  const constant = { ...securityHeaders(secure), "cache-control": "no-store" };
  app.addHook("onRequest", (request, reply, done) => {
    reply.headers(constant).header("x-request-id", request.id);
    done();
  });
  if (settings.telemetry) {
    const telemetry = await startTelemetry(settings.telemetry);
    traceRequests(app);
    app.addHook("onClose", () => telemetry.close());
  }
  const metrics = countRequests(app);
  if (settings.corsOrigins.length > 0) {
    await app.register(cors, {
      origin: [...settings.corsOrigins],
      credentials: false,
      methods: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
      allowedHeaders: ["authorization", "content-type", "dpop"],
      exposedHeaders: [
        "x-request-id",
        "retry-after",
        "www-authenticate",
        "dpop-nonce",
        "ratelimit-limit",
        "ratelimit-remaining",
        "ratelimit-reset",
      ],
      maxAge: 600,
      strictPreflight: false,
    });
  }
  const bounds = boundWork(app, { ...limits, waiting });
  metrics.watch({ ...bounds, waiting, limited: rates?.refused ?? (() => ({})) });
  app.decorateRequest("caller", undefined);
  if (rates) limitRates(app, { limits: rates, onLimited });
  app.addHook("onRequest", (request, _reply, done) => {
    const fault = malformed.get(request.raw);
    if (fault !== undefined) {
      done(new Refusal("invalid_request", fault));
      return;
    }
    // RFC 9112 3.2
    if (request.raw.httpVersion === "1.1" && request.headers.host === undefined) {
      done(new Refusal("invalid_request", "The request has no Host header."));
      return;
    }
    const header = malformedHeader(request.headers);
    done(header === undefined ? undefined : new Refusal("invalid_request", `The header ${header} is not well-formed text.`));
  });
  refuseUnrouted(app);
  refuseClosedTenants(app, isOpen, (request) => rates?.takeUnproven(addressOf(request)));

  app.addHook("onSend", (_request, reply, payload, done) => {
    if (draining) reply.header("connection", "close");
    done(null, payload);
  });
  app.addHook("onResponse", (request, reply, done) => {
    log.info(
      {
        requestId: request.id,
        method: request.method,
        route: request.is404 ? undefined : request.routeOptions.url,
        ...(request.operation !== undefined && { operation: request.operation }),
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
        address: addressOf(request),
      },
      "request completed",
    );
    done();
  });

  answerPlainly(app);
  serveHealth(app, { ping, isDraining: () => draining, patience: limits.ping });
  serveFrontDoor(app, settings.publicUrl);

  return {
    app,
    // Connections that arrive at once wait for their turn instead of being reset.
    listen: () => app.listen({ host: settings.host, port: settings.port, backlog: limits.backlog }),
    close: async () => {
      draining = true;
      const late = setTimeout(() => {
        log.warn("some requests took too long to finish and were cut off");
        app.server.closeAllConnections();
      }, limits.drain);
      try {
        await app.close();
      } finally {
        clearTimeout(late);
      }
    },
  };
};
