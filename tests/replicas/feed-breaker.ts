import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A pair of sockets: one replica's connection, and what it is passed on to. */
interface Passing {
  readonly near: Socket;
  readonly far: Socket;
  isFeed: boolean;
}

/** Stands between a replica and its PostgreSQL, and breaks the connection by which the replica hears of changes. All others pass. */
export const startFeedBreaker = async (databaseUrl: string) => {
  const to = new URL(databaseUrl);
  const open = new Set<Passing>();
  let broken = 0;
  let isCut = false;
  const server = createServer((near) => {
    const far = connect(Number(to.port), to.hostname);
    const passing: Passing = { near, far, isFeed: false };
    open.add(passing);
    // The first thing that a client of PostgreSQL sends names its application.
    near.once("data", (first: Buffer) => {
      passing.isFeed = first.includes("legate feed");
      if (passing.isFeed && isCut) near.resetAndDestroy();
    });
    near.pipe(far);
    far.pipe(near);
    for (const socket of [near, far]) {
      socket.on("error", () => undefined);
      socket.once("close", () => {
        near.destroy();
        far.destroy();
        open.delete(passing);
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const at = new URL(databaseUrl);
  at.port = String((server.address() as AddressInfo).port);
  const feeds = () => [...open].filter(({ isFeed }) => isFeed);
  return {
    url: at.href,
    /** Ends it, as a restart of the database or of something between would. */
    drop: (): void => {
      for (const { near } of feeds()) {
        broken += 1;
        near.resetAndDestroy();
      }
    },
    /** Lets it stand and passes nothing on, as a network that lost the other side would. */
    stall: (): void => {
      for (const { near, far } of feeds()) {
        broken += 1;
        near.unpipe(far);
        far.unpipe(near);
        near.resume();
        far.resume();
      }
    },
    /** Ends it, and each that follows it, until it is mended. */
    cut: (): void => {
      isCut = true;
      for (const { near } of feeds()) near.resetAndDestroy();
    },
    mend: (): void => {
      isCut = false;
    },
    broken: () => broken,
    stop: async (): Promise<void> => {
      for (const { near } of open) near.destroy();
      server.close();
      await once(server, "close");
    },
  };
};

export type FeedBreaker = Awaited<ReturnType<typeof startFeedBreaker>>;
