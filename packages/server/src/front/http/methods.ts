import type { FastifyInstance } from "fastify";
import { Refusal } from "../../ground/kernel/index.ts";

const segmentsOf = (path: string): string[] => path.split("/").slice(1);

const fits = (pattern: readonly string[], path: readonly string[]): boolean =>
  pattern.length === path.length && pattern.every((segment, at) => segment === path[at] || segment.startsWith(":"));

/**
 * Refuses what no route takes, before its body is read: 404, or 405 where the path has a route for another method. Registered before the routes,
 * because it learns them as they are added.
 */
export const refuseUnrouted = (app: FastifyInstance): void => {
  const routes = new Map<string, { readonly segments: readonly string[]; readonly methods: Set<string> }>();
  app.addHook("onRoute", ({ url, method }) => {
    if (url.includes("*")) return;
    const route = routes.get(url) ?? { segments: segmentsOf(url), methods: new Set() };
    for (const each of [method].flat()) route.methods.add(each);
    routes.set(url, route);
  });

  app.addHook("onRequest", (request, _reply, done) => {
    if (!request.is404) {
      done();
      return;
    }
    const path = segmentsOf(request.url.split("?", 1)[0] ?? "");
    const allow = new Set([...routes.values()].filter(({ segments }) => fits(segments, path)).flatMap(({ methods }) => [...methods]));
    done(
      allow.size > 0
        ? new Refusal("method_not_allowed", `This address does not answer ${request.method}.`, { allow: [...allow].sort() })
        : new Refusal("not_found", "There is nothing at this address."),
    );
  });
};
