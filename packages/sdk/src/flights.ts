import { linkedSignal, orAbort } from "./pause.ts";

interface Flight {
  readonly promise: Promise<unknown>;
  readonly abort: (reason: unknown) => void;
  passengers: number;
}

/** One load at a time per key, shared by all who ask for it meanwhile. Who aborts leaves alone; the last to leave aborts the load. */
export class Flights {
  readonly #flights = new Map<string, Flight>();

  async join<T>(key: string, signal: AbortSignal | undefined, load: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    const flight = this.#flights.get(key) ?? this.#start(key, load);
    flight.passengers += 1;
    try {
      return (await orAbort(flight.promise, signal)) as T;
    } finally {
      flight.passengers -= 1;
      if (flight.passengers === 0) {
        if (this.#flights.get(key) === flight) this.#flights.delete(key);
        flight.abort(signal?.reason);
      }
    }
  }

  #start(key: string, load: (signal: AbortSignal) => Promise<unknown>): Flight {
    const shared = linkedSignal([]);
    const flight: Flight = { promise: load(shared.signal), abort: shared.abort, passengers: 0 };
    this.#flights.set(key, flight);
    const landed = () => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    };
    flight.promise.then(landed, landed);
    return flight;
  }
}
