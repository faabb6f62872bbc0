import { fastify } from "fastify";

/** A port of this host that was free a moment ago. */
export const freePort = async (host: string): Promise<number> => {
  const probe = fastify();
  try {
    return Number(new URL(await probe.listen({ host, port: 0 })).port);
  } finally {
    await probe.close();
  }
};
