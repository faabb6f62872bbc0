import { type Answer, openWire, type Wire, written } from "./wire.ts";
import type { Ask } from "./wire.ts";

/** What a run measured. */
export interface Figures {
  /** Answered requests per second. */
  readonly rate: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** How much of its time the load generator itself was busy, from 0 to 1: near 1 it is what was measured. */
  readonly busy: number;
  /** Microseconds of a core that the load generator took for a request. */
  readonly cost: number;
}

/** The value below which this share of the values lies. Sorts what it is given. */
export const percentile = (values: Float64Array, share: number): number => {
  values.sort();
  return values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;
};

const openAll = (url: string, amount: number, failed: (error: Error) => void): Promise<Wire[]> =>
  Promise.all(Array.from({ length: amount }, () => openWire(url, failed)));

const told = ({ status, body }: Answer) => `${status} ${body.toString("utf8", 0, 300)}`;
const succeeded = ({ status }: Answer) => status >= 200 && status < 300;

/**
 * Sends `amount` requests over `connections` kept-alive connections, each as soon as the one before was answered. `ask(n)` makes the n-th
 * request; `heard(n, answer)` gets its answer.
 * @throws when any answer is not a success: a refusal is quick, and would count as speed
 */
export const load = async (
  url: string,
  connections: number,
  amount: number,
  ask: (n: number) => Ask,
  heard: (n: number, answer: Answer) => void = () => undefined,
): Promise<Figures> => {
  const { host } = new URL(url);
  const latencies = new Float64Array(amount);
  const failures: string[] = [];
  let wires: Wire[] = [];
  const idleBefore = performance.eventLoopUtilization();
  const coreBefore = process.cpuUsage();
  const began = performance.now();
  let seconds = 0;
  await new Promise<void>((resolve, reject) => {
    let sent = 0;
    let answered = 0;
    const sendNext = (wire: Wire): void => {
      if (sent === amount) return;
      const n = sent;
      sent += 1;
      const request = written(ask(n), host);
      const sentAt = performance.now();
      wire.send(request, (answer) => {
        const now = performance.now();
        latencies[n] = now - sentAt;
        answered += 1;
        if (!succeeded(answer)) failures.push(told(answer));
        else heard(n, answer);
        if (answered < amount) return sendNext(wire);
        seconds = (now - began) / 1000;
        resolve();
      });
    };
    openAll(url, connections, reject).then((opened) => {
      wires = opened;
      for (const wire of wires) sendNext(wire);
    }, reject);
  }).finally(() => {
    for (const wire of wires) wire.close();
  });
  const { utilization } = performance.eventLoopUtilization(idleBefore);
  const { user, system } = process.cpuUsage(coreBefore);
  if (failures.length > 0) throw new Error(`${failures.length} refusals in a run that must have none; the first: ${failures[0]}`);
  return {
    rate: amount / seconds,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    busy: utilization,
    cost: (user + system) / amount,
  };
};

/** One request of a paced load: what is asked, and which answers are right. */
export interface Paced {
  readonly ask: Ask;
  readonly expects: readonly number[];
  readonly heard?: (answer: Answer) => void;
}

/** What became of one request of a paced load. */
export interface Outcome {
  /** When it should have been sent, in milliseconds since the load began. */
  readonly due: number;
  /** From then until its answer, in milliseconds: waiting for a free connection counts. */
  readonly latency: number;
  /** What was wrong with its answer, if anything. */
  readonly failure: string | undefined;
}

/**
 * Sends `rate` requests a second for some seconds, whether or not the former ones were answered, so that a server that stops for a moment is
 * charged for all who waited. Answers when the last one was answered.
 */
export const paced = async (
  url: string,
  connections: number,
  rate: number,
  seconds: number,
  next: () => Paced,
  outcome: (one: Outcome) => void,
): Promise<void> => {
  const { host } = new URL(url);
  const amount = Math.floor(rate * seconds);
  let free: Wire[] = [];
  let wires: Wire[] = [];
  await new Promise<void>((resolve, reject) => {
    let issued = 0;
    let answered = 0;
    let began = 0;
    const send = (wire: Wire): void => {
      const due = (issued / rate) * 1000;
      issued += 1;
      const { ask, expects, heard } = next();
      wire.send(written(ask, host), (answer) => {
        const right = expects.includes(answer.status);
        if (right) heard?.(answer);
        answered += 1;
        outcome({
          due,
          latency: performance.now() - began - due,
          failure: right ? undefined : `${ask.method} ${ask.path}: ${told(answer)}`,
        });
        free.push(wire);
        if (answered === amount) resolve();
        else issue();
      });
    };
    const issue = (): void => {
      const due = Math.min(amount, Math.floor(((performance.now() - began) / 1000) * rate) + 1);
      while (issued < due) {
        // In turn, so that none is idle for so long that the server closes it.
        const wire = free.shift();
        if (!wire) return;
        send(wire);
      }
    };
    const tick = (): void => {
      issue();
      if (issued < amount) setTimeout(tick, 1);
    };
    openAll(url, connections, reject).then((opened) => {
      wires = opened;
      free = [...opened];
      began = performance.now();
      tick();
    }, reject);
  }).finally(() => {
    for (const wire of wires) wire.close();
  });
};

/** Sends such requests as fast as they are answered, for some seconds. Answers how many were answered a second. */
export const saturate = async (
  url: string,
  connections: number,
  seconds: number,
  next: () => Paced,
  outcome: (one: Outcome) => void,
): Promise<number> => {
  const { host } = new URL(url);
  let wires: Wire[] = [];
  let answered = 0;
  const began = performance.now();
  let ended = began;
  await new Promise<void>((resolve, reject) => {
    let open = connections;
    const send = (wire: Wire): void => {
      const due = performance.now() - began;
      if (due >= seconds * 1000) {
        open -= 1;
        if (open === 0) resolve();
        return;
      }
      const { ask, expects, heard } = next();
      wire.send(written(ask, host), (answer) => {
        answered += 1;
        ended = performance.now();
        const right = expects.includes(answer.status);
        if (right) heard?.(answer);
        outcome({ due, latency: ended - began - due, failure: right ? undefined : `${ask.method} ${ask.path}: ${told(answer)}` });
        send(wire);
      });
    };
    openAll(url, connections, reject).then((opened) => {
      wires = opened;
      for (const wire of wires) send(wire);
    }, reject);
  }).finally(() => {
    for (const wire of wires) wire.close();
  });
  return answered / ((ended - began) / 1000);
};
