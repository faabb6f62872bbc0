import type { Server } from "node:http";
import type { Socket } from "node:net";
import { BlockList, isIP } from "node:net";
import { addressKey } from "../../ground/limits/index.ts";

interface Needs {
  /** Open connections at once. */
  readonly connections: number;
  /** The same of one address. Trusted proxies speak for many and are not held to it. */
  readonly connectionsFromOne: number;
  /** Milliseconds: how long an answer may wait without a sip of it being taken. */
  readonly writeStall: number;
  /** Bytes of answers that wait in this process, all together; beyond them whoever takes nothing for two seconds is cut off. */
  readonly unread: number;
  readonly trustedProxies: readonly string[];
}

/** Milliseconds between two looks at who reads. */
const every = 1_000;
/** Looks without progress before a stalled reader is cut off while memory is short. */
const short = 2;

/** Bytes that must be taken in the time of a stall: who takes a byte now and then takes nothing. */
const sip = 16_384;

/** What Node keeps of a socket beyond its documented fields: how far it has come within one long write. */
interface Inside {
  readonly _bytesDispatched?: number;
  readonly _handle?: { readonly writeQueueSize?: number } | null;
}

/** How many bytes the other side has taken, as far as can be told; without the inner fields, only by whole writes. */
const takenOf = (socket: Socket): number => {
  const { _bytesDispatched: handed, _handle: handle } = socket as unknown as Inside;
  return handed !== undefined && handle?.writeQueueSize !== undefined
    ? handed - handle.writeQueueSize
    : (socket.bytesWritten ?? 0) - socket.writableLength;
};

const listOf = (cidrs: readonly string[]): BlockList => {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = "", prefix] = cidr.split("/");
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return list;
};

/**
 * Bounds connections: how many there are, how many from one address, and how long an answer waits for a reader who takes nothing of it. Slow headers
 * and bodies are Node's own to end, by its timeouts.
 */
export const guardConnections = (server: Server, needs: Needs): (() => void) => {
  const { connections, connectionsFromOne, writeStall, unread, trustedProxies } = needs;
  const proxies = listOf(trustedProxies);
  const from = new Map<string, number>();
  const writers = new Map<Socket, { taken: number; looks: number }>();
  server.maxConnections = connections;

  server.on("connection", (socket: Socket) => {
    const address = socket.remoteAddress ?? "";
    const key = addressKey(address);
    if (proxies.check(key.includes("/") ? address : key, key.includes("/") ? "ipv6" : "ipv4")) return;
    const open = (from.get(key) ?? 0) + 1;
    if (open > connectionsFromOne) {
      socket.destroy();
      return;
    }
    from.set(key, open);
    socket.once("close", () => {
      const left = (from.get(key) ?? 1) - 1;
      if (left === 0) from.delete(key);
      else from.set(key, left);
    });
  });
  // Under TLS, answers are written to the socket above the connection's own.
  const watch = (socket: Socket) => {
    writers.set(socket, { taken: 0, looks: 0 });
    socket.once("close", () => writers.delete(socket));
  };
  server.on("cert" in server || "addContext" in server ? "secureConnection" : "connection", watch);

  const look = setInterval(() => {
    let waiting = 0;
    for (const socket of writers.keys()) waiting += socket.writableLength;
    const most = waiting > unread ? short : Math.ceil(writeStall / every);
    for (const [socket, seen] of writers) {
      const taken = takenOf(socket);
      if (socket.writableLength === 0 || taken - seen.taken >= sip) {
        seen.taken = taken;
        seen.looks = 0;
      } else if ((seen.looks += 1) >= most) socket.destroy();
    }
  }, every).unref();
  return () => clearInterval(look);
};
