import { context, propagation, type Span, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Config } from "../../config/index.ts";

/** Spans that leave the process; `close` sends what is still here. */
export interface Telemetry {
  close(): Promise<void>;
}

/**
 * Starts to send spans as OTLP over HTTP. The SDK is loaded only here: without the setting, only the API's empty hands are in the process.
 * The exporter opens its own connections, to the one address that the operator of this process gave it in the environment.
 */
export const startTelemetry = async ({ endpoint, serviceName }: NonNullable<Config["telemetry"]>): Promise<Telemetry> => {
  const [{ BatchSpanProcessor }, { NodeTracerProvider }, { resourceFromAttributes }, { OTLPTraceExporter }] = await Promise.all([
    import("@opentelemetry/sdk-trace-base"),
    import("@opentelemetry/sdk-trace-node"),
    import("@opentelemetry/resources"),
    import("@opentelemetry/exporter-trace-otlp-http"),
  ]);
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ "service.name": serviceName }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url: `${endpoint}/v1/traces` }))],
  });
  provider.register();
  return { close: () => provider.shutdown() };
};

/** One server span per request, named by its route; it continues the caller's trace (W3C `traceparent`). No URL, header or body is recorded. */
export const traceRequests = (app: FastifyInstance): void => {
  const tracer = trace.getTracer("legate");
  const spans = new WeakMap<FastifyRequest, Span>();
  app.addHook("onRequest", (request, _reply, done) => {
    const route = request.is404 ? undefined : request.routeOptions.url;
    const parent = propagation.extract(context.active(), request.headers);
    const span = tracer.startSpan(
      route === undefined ? request.method : `${request.method} ${route}`,
      {
        kind: SpanKind.SERVER,
        attributes: {
          "http.request.method": request.method,
          "legate.request_id": request.id,
          ...(route !== undefined && { "http.route": route }),
        },
      },
      parent,
    );
    spans.set(request, span);
    context.with(trace.setSpan(parent, span), done);
  });
  app.addHook("onResponse", (request, reply, done) => {
    const span = spans.get(request);
    span?.setAttribute("http.response.status_code", reply.statusCode);
    if (reply.statusCode >= 500) span?.setStatus({ code: SpanStatusCode.ERROR });
    span?.end();
    done();
  });
};
