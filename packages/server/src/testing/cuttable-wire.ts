import { once } from "node:events";
import { createServer, connect as dial, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

/** A wire to a server that a test can cut, let hang, and mend. */
export interface CuttableWire {
  /** The URL given, with this wire's host and port. */
  readonly url: string;
  /** Ends every connection and refuses new ones, as a server that is not there does. */
  cut(): Promise<void>;
  /** Accepts and passes nothing on, as a network that drops packets does. Nothing breaks; nothing answers. */
  hang(): void;
  /** Passes on again; what hung goes on where it was. */
  mend(): Promise<void>;
  close(): Promise<void>;
}

/** Puts a wire before a server on TCP. @param url Of the server, with a port */
export const cuttableWire = async (url: string): Promise<CuttableWire> => {
  const to = new URL(url);
  const open = new Set<Socket>();
  let hanging = false;

  const pass = (from: Socket, into: Socket) => {
    open.add(from);
    from.setNoDelay(true);
    from.on("data", (bytes) => void into.write(bytes));
    from.on("error", () => undefined);
    from.on("close", () => {
      open.delete(from);
      if (!hanging) into.destroy();
    });
    if (hanging) from.pause();
  };
  const server = createServer((near) => {
    const far = dial(Number(to.port), to.hostname);
    pass(near, far);
    pass(far, near);
  });
  const listen = async (port: number) => {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const here = new URL(url);
  here.hostname = "127.0.0.1";
  here.port = String(port);

  const cut = async () => {
    if (!server.listening) return;
    const gone = once(server, "close");
    server.close();
    for (const socket of open) socket.destroy();
    await gone;
  };
  return {
    url: here.href,
    cut,
    hang: () => {
      hanging = true;
      for (const socket of open) socket.pause();
    },
    mend: async () => {
      hanging = false;
      for (const socket of open) socket.resume();
      if (!server.listening) await listen(port);
    },
    close: cut,
  };
};
