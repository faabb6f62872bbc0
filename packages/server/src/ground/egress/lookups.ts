import type { LookupAddress } from "node:dns";
import { makeRecent } from "../kernel/index.ts";
import type { Lookup } from "./door.ts";
import { EgressFailed } from "./errors.ts";

/** As many as Node's pool of threads looks up at once. */
const places = 2;
/** Milliseconds that a name is waited for of which there are addresses in memory. */
const briefly = 500;
/** Names whose addresses are in memory, and for how long, in milliseconds. */
const remembered = 1_000;
const life = 3_600_000;

type Addresses = readonly LookupAddress[];

/** The answer, or what is made of it when it is longer in coming. */
const orAfter = <T>(milliseconds: number, answer: Promise<T>, otherwise: () => T): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  return Promise.race([answer, late.then(otherwise)]).finally(() => clearTimeout(timer));
};

/** One look-up, under way or waiting for its turn. */
interface Flight {
  readonly domain: string;
  readonly answer: Promise<Addresses>;
  readonly begin: () => void;
  /** Who still wants to know. */
  waiters: number;
}

/** Whose servers are most likely asked: the last two labels of a name. */
const domainOf = (name: string): string => name.toLowerCase().replace(/\.$/, "").split(".").slice(-2).join(".");

/** Whether there is no such name, as against servers that cannot say. */
const isGone = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "ENOTFOUND" || error.code === "ENODATA");

/**
 * Look-ups that leave room for each other. Names are the system's to resolve (hosts file, search domains), which takes a thread of Node's pool until
 * its servers have answered or were waited for, and Node lets two names be looked up at once. So here is the queue: a domain has one of the two places
 * at most, domains take turns, nothing is looked up that nobody waits for any more, and a name that was found lately is reached by what was found where
 * the answer is long in coming.
 *
 * @param limits `waitMs`: how long a caller waits; `perDomain`: how many names of a domain wait for their turn
 * @param now Milliseconds that only go forward.
 */
export const makeLookups = (
  lookup: Lookup,
  { waitMs, perDomain }: { readonly waitMs: number; readonly perDomain: number },
  now: () => number = () => performance.now(),
): Lookup => {
  const flights = new Map<string, Flight>();
  const queues = new Map<string, Set<Flight>>();
  const busy = new Set<string>();
  const known = makeRecent<{ readonly addresses: Addresses; readonly until: number }>(remembered);

  /** Whether it was waiting for its turn. */
  const leaveQueue = (flight: Flight): boolean => {
    const queue = queues.get(flight.domain);
    if (!queue?.delete(flight)) return false;
    if (queue.size === 0) queues.delete(flight.domain);
    return true;
  };

  const beginMore = (): void => {
    for (const [domain, queue] of queues) {
      if (busy.size >= places) return;
      const [first] = queue;
      if (!first || busy.has(domain)) continue;
      busy.add(domain);
      queue.delete(first);
      // What is left of the domain comes after all others.
      queues.delete(domain);
      if (queue.size > 0) queues.set(domain, queue);
      first.begin();
    }
  };

  const depart = (name: string): Flight => {
    const domain = domainOf(name);
    const queue = queues.get(domain) ?? new Set();
    if (queue.size >= perDomain) throw new EgressFailed("crowded", `Too many names of ${domain} wait to be looked up already.`);
    let begin = (): void => undefined;
    const turn = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const answer = (async () => {
      await turn;
      try {
        const addresses = await lookup(name);
        if (addresses.length > 0) known.set(name, { addresses, until: now() + life });
        return addresses;
      } catch (error) {
        if (isGone(error)) known.set(name, { addresses: [], until: 0 });
        throw error;
      } finally {
        flights.delete(name);
        busy.delete(domain);
        beginMore();
      }
    })();
    // Nobody may be left to hear of it.
    answer.catch(() => undefined);
    const flight: Flight = { domain, answer, begin, waiters: 0 };
    flights.set(name, flight);
    queues.set(domain, queue.add(flight));
    beginMore();
    return flight;
  };

  const fresh = async (name: string): Promise<Addresses> => {
    const flight = flights.get(name) ?? depart(name);
    flight.waiters += 1;
    try {
      return await orAfter(waitMs, flight.answer, () => {
        throw new EgressFailed("timeout", `${name} could not be looked up within ${waitMs} ms.`);
      });
    } finally {
      flight.waiters -= 1;
      if (flight.waiters === 0 && leaveQueue(flight)) flights.delete(name);
    }
  };

  return (name) => {
    const lately = known.get(name);
    if (!lately || lately.until <= now()) return fresh(name);
    const orLately = fresh(name).catch((error: unknown) => {
      if (isGone(error)) throw error;
      return lately.addresses;
    });
    return orAfter(briefly, orLately, () => lately.addresses);
  };
};
