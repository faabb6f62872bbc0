import type { FastifyInstance } from "fastify";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

declare module "fastify" {
  interface FastifyContextConfig {
    /** What this route is called in metrics: an operation's id, or one word. */
    operation?: string;
  }
}

/**
 * Counts requests by operation, method and status, and serves `/metrics`. Labels come from closed sets only, so neither names nor ids of anyone
 * can stand in them.
 */
export const countRequests = (app: FastifyInstance): void => {
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
  const under = new Gauge({ name: "legate_http_requests_in_flight", help: "Requests being answered.", registers });

  app.addHook("onRequest", (_request, _reply, done) => {
    under.inc();
    done();
  });
  app.addHook("onResponse", (request, reply, done) => {
    under.dec();
    const operation = request.is404 ? "none" : (request.routeOptions.config.operation ?? "other");
    requests.inc({ operation, method: request.method, status: reply.statusCode });
    seconds.observe({ operation }, reply.elapsedTime / 1000);
    done();
  });
  app.get("/metrics", { config: { operation: "metrics", ofInstallation: true } }, async (_request, reply) =>
    reply.type(registry.contentType).send(await registry.metrics()),
  );
};
