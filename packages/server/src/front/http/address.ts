import { isIP } from "node:net";
import type { FastifyRequest } from "fastify";

/** Where a request comes from, as the trusted proxies tell it; what a proxy passed on that is no address is not believed. */
export const addressOf = (request: FastifyRequest): string => (isIP(request.ip) === 0 ? (request.socket.remoteAddress ?? "") : request.ip);
