import type { FastifyInstance } from "fastify";

interface Needs {
  /** Rejects when the store cannot be read. */
  readonly ping: () => Promise<unknown>;
  readonly isDraining: () => boolean;
  /** How long a ping may take, in milliseconds. */
  readonly patience: number;
}

const within = async (milliseconds: number, work: Promise<unknown>): Promise<void> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`No answer within ${milliseconds} ms.`)), milliseconds);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
};

/** `/livez`: the process answers. `/readyz`: it can serve, which it cannot without its store or while it closes. */
export const serveHealth = (app: FastifyInstance, { ping, isDraining, patience }: Needs): void => {
  app.get("/livez", { config: { operation: "livez", vital: true, ofInstallation: true } }, () => ({ status: "ok" }));
  app.get("/readyz", { config: { operation: "readyz", vital: true, ofInstallation: true } }, async (request, reply) => {
    if (isDraining()) return reply.code(503).send({ status: "closing" });
    try {
      await within(patience, ping());
      return { status: "ok" };
    } catch (error) {
      request.log.warn({ requestId: request.id, err: error }, "the store does not answer");
      return reply.code(503).send({ status: "store unavailable" });
    }
  });
};
