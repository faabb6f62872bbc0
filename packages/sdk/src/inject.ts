import { AgentContext, type AgentContextValues, inCurrentRun } from "./context.ts";

/** What the first argument of a wrapped function may be: an object with field `K`, or one that can do without. */
export type Wanting<K extends string, V> = { [P in K]?: V | undefined } | undefined;

type IsAny<T> = 0 extends 1 & T ? true : false;
type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

type KeyOfAny<T> = T extends unknown ? keyof T : never;

type ArgumentsLeft<Left, Rest extends readonly unknown[]> = [KeyOfAny<Left>] extends [never]
  ? Rest extends readonly []
    ? []
    : [input: Left | undefined, ...rest: Rest]
  : Record<never, never> extends Left
    ? [input?: Left, ...rest: Rest]
    : [input: Left, ...rest: Rest];

/** An async generator stays one; everything else becomes a promise. */
export type Outcome<R> = [R] extends [AsyncGenerator<infer T, infer Return, infer Next>]
  ? AsyncGenerator<T, Return, Next>
  : Promise<Awaited<R>>;

/** The function that is left once field `K` of its first argument is given: without arguments where nothing else was asked for. */
export type Given<K extends string, Input, Rest extends readonly unknown[], R> =
  IsAny<Input> extends true
    ? (input?: Readonly<Record<string, unknown>>, ...rest: Rest) => Outcome<R>
    : (...args: ArgumentsLeft<Without<NonNullable<Input>, K>, Rest>) => Outcome<R>;

/** A function of unknown parameters; its type is put back by the callers of `inject`. */
type WidestFunction = (...args: never[]) => unknown;

/** Gets the credential for whoever the context named when the wrapped function was called. */
export type Obtain<V> = (values: AgentContextValues) => Promise<V>;

const generatorTag = "[object AsyncGeneratorFunction]";
const wrappedGenerators = new WeakSet<object>();
const isGeneratorFunction = (fn: object) => wrappedGenerators.has(fn) || Object.prototype.toString.call(fn) === generatorTag;

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null && !Array.isArray(value);

/** How the arguments read once the credential is there. Refuses before it is fetched. */
const fieldInto = (args: readonly unknown[], name: string): ((value: unknown) => never[]) => {
  const [input, ...rest] = args;
  if (input !== undefined && !isObject(input))
    throw new TypeError(`The first argument must be an object: \`${name}\` becomes one of its fields.`);
  return (value) => [{ ...input, [name]: value }, ...rest] as never[];
};

/**
 * The function with the credential filled in, fetched anew for each call. The first argument is copied, never changed.
 */
export const inject = <V>(name: string, obtain: Obtain<V>, fn: WidestFunction): WidestFunction => {
  if (isGeneratorFunction(fn)) {
    const wrapped = function (this: unknown, ...args: readonly unknown[]): AsyncGenerator {
      // Both are done here: the generator's body starts only at the first `next`, which may come from elsewhere.
      const values = AgentContext.current();
      const filled = fieldInto(args, name);
      const start = (credential: V) => fn.apply(this, filled(credential)) as AsyncGenerator;
      const steps = async function* () {
        return yield* start(await obtain(values));
      };
      return inCurrentRun(steps());
    };
    wrappedGenerators.add(wrapped);
    return wrapped;
  }
  return async function (this: unknown, ...args: readonly unknown[]): Promise<unknown> {
    const filled = fieldInto(args, name);
    const result = await fn.apply(this, filled(await obtain(AgentContext.current())));
    if (Object.prototype.toString.call(result) === "[object AsyncGenerator]") {
      throw new TypeError("An async generator must be wrapped as an `async function*`, not as a function that returns one.");
    }
    return inCurrentRun(result);
  };
};
