import type { IncomingMessage } from "node:http";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { Refusal } from "../../ground/kernel/index.ts";
import { defaultTenant } from "../../identity/tenants/index.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Set where a route is the whole installation's: it has no address under a tenant's prefix. */
    ofInstallation?: true;
  }
}

/** `/t/acme/v1/agents`: the path form of every address. */
const prefixed = /^\/t\/([a-z][a-z0-9-]{1,38})(\/[^?]*)(\?.*)?$/;
/** `/.well-known/oauth-authorization-server/t/acme`: where RFC 8414 3.1 puts the path of an issuer, and RFC 9728 3.1 that of a resource. */
const wellKnown = /^(\/\.well-known\/[^/?]+)\/t\/([a-z][a-z0-9-]{1,38})(\/[^?]*)?(\?.*)?$/;

const named = new WeakMap<IncomingMessage, string>();

/** Takes a tenant's prefix off a URL, once, and remembers whose it was. `default` has none: each of its addresses is written one way. */
export const stripTenant = (raw: IncomingMessage, url: string): string => {
  const keep = (tenant: string, rest: string): string => {
    if (tenant === defaultTenant) return url;
    named.set(raw, tenant);
    return rest;
  };
  const [, tenant, path = "", query = ""] = prefixed.exec(url) ?? [];
  if (tenant !== undefined) return keep(tenant, `${path}${query}`);
  const [, document = "", owner, resource = "", search = ""] = wellKnown.exec(url) ?? [];
  return owner === undefined ? url : keep(owner, `${document}${resource}${search}`);
};

/** The tenant that a request's address names, if it names one. */
export const prefixOf = ({ raw }: FastifyRequest): string | undefined => named.get(raw);

/** The tenant that a request belongs to as long as no credential says more. */
export const tenantOf = (request: FastifyRequest): string => prefixOf(request) ?? defaultTenant;

/** Answers 404 under the prefix of what is no open tenant, and where a route is the whole installation's. */
export const refuseClosedTenants = (
  app: FastifyInstance,
  isOpen: (tenant: string) => Promise<boolean>,
  /** Counts it where nothing else does: nobody tries names of tenants without end. @throws Refusal rate_limited */
  count: (request: FastifyRequest) => void,
): void => {
  app.addHook("onRequest", async (request) => {
    const tenant = prefixOf(request);
    if (tenant === undefined) return;
    if (request.routeOptions.config?.ofInstallation || !(await isOpen(tenant))) {
      if ((request.routeOptions.config?.proves ?? false) !== false) count(request);
      throw new Refusal("not_found", "There is nothing at this address.");
    }
  });
};
