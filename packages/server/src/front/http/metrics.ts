import type { FastifyInstance } from "fastify";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

declare module "fastify" {
  interface FastifyContextConfig {
    /** What this route is called in metrics: an operation's id, or one word. */
    operation?: string;
  }
  interface FastifyRequest {
    /** The same, where the route alone does not say which operation it is. */
    operation: string | undefined;
  }
}

/** What is asked whenever metrics are read. */
interface Watched {
  readonly inFlight: () => number;
  readonly turnedAway: () => number;
  readonly waiting: () => number;
  /** How many requests each kind of limit refused. */
  readonly limited: () => Readonly<Record<string, number>>;
}

/**
 * Counts requests by operation, method and status, and serves `/metrics`. Labels come from closed sets only, so neither names nor ids of anyone
 * can stand in them.
 */
export const countRequests = (app: FastifyInstance): { watch(watched: Watched): void } => {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const requests = new Counter({
    name: "legate_http_requests_total",
    help: "Requests answered.",
    labelNames: ["operation", "method", "status"],
    registers,
  });
  const seconds = new Histogram({
    name: "legate_http_request_duration_seconds",
    help: "Time from a request's headers to the end of its answer.",
    labelNames: ["operation"],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers,
  });
  app.decorateRequest("operation", undefined);
  app.addHook("onResponse", (request, reply, done) => {
    const operation = request.is404 ? "none" : (request.operation ?? request.routeOptions.config.operation ?? "other");
    requests.inc({ operation, method: request.method, status: reply.statusCode });
    seconds.observe({ operation }, reply.elapsedTime / 1000);
    done();
  });

  const watch = ({ inFlight, turnedAway, waiting, limited }: Watched): void => {
    const gauge = (name: string, help: string, read: () => number) =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    gauge("legate_http_requests_in_flight", "Requests being worked on.", inFlight);
    gauge("legate_store_waiting", "Pieces of work that wait for their turn at the store.", waiting);
    new Counter({
      name: "legate_http_turned_away_total",
      help: "Requests answered 503 because too much was being worked on.",
      registers,
      collect() {
        this.reset();
        this.inc(turnedAway());
      },
    });
    new Counter({
      name: "legate_rate_limited_total",
      help: "Requests answered 429, by the kind of limit.",
      labelNames: ["limit"],
      registers,
      collect() {
        this.reset();
        for (const [limit, times] of Object.entries(limited())) this.inc({ limit }, times);
      },
    });
  };
  app.get("/metrics", { config: { operation: "metrics", vital: true, ofInstallation: true } }, async (_request, reply) =>
    reply.type(registry.contentType).send(await registry.metrics()),
  );
  return { watch };
};
