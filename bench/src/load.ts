import autocannon from "autocannon";

/** One request of a run. */
export interface Ask {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** What a run measured. */
export interface Figures {
  /** Answered requests per second. */
  readonly rate: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/**
 * Sends `amount` requests over `connections` kept-alive connections and counts the answers. `ask(n)` makes the n-th request.
 * @throws when any answer is not a success: a refusal is quick, and would count as speed
 */
export const load = async (url: string, connections: number, amount: number, ask: (n: number) => Ask): Promise<Figures> => {
  let sent = 0;
  let answered = 0;
  const began = performance.now();
  let ended = began;
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const run = autocannon(
      {
        url,
        connections,
        amount,
        requests: [
          {
            setupRequest: (request) => {
              const { method, path, headers, body } = ask(sent);
              sent += 1;
              return { ...request, method, path, headers: { ...headers }, ...(body !== undefined && { body }) };
            },
          },
        ],
      },
      (error: unknown, finished) => (error ? reject(error as Error) : resolve(finished)),
    );
    // Its own clock ends on a whole second; the last answer is what counts.
    run.on("response", () => {
      answered += 1;
      if (answered === amount) ended = performance.now();
    });
  });
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${result.non2xx} refusals and ${result.errors} errors in a run that must have none`);
  return { rate: amount / ((ended - began) / 1000), p50: result.latency.p50, p99: result.latency.p99 };
};
