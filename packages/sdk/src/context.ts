import { AsyncLocalStorage } from "node:async_hooks";
import { ContextError } from "./errors.ts";

/** For whom the agent acts at the moment. Where several are given, a workload token counts first, then a user token, then a user id. */
export interface AgentContextValues {
  /** The user's id, as the agent asserts it. */
  readonly userId?: string | undefined;
  /** A token of the user, from an issuer the agent trusts. Once given it must be valid: the id never stands in for it. */
  readonly userToken?: string | undefined;
  /** A workload access token at hand. */
  readonly workloadToken?: string | undefined;
  /** The application's own name for the conversation. It is never sent. */
  readonly sessionId?: string | undefined;
  /** Travels through a consent and comes back as `state` on the callback: unguessable, and bound to the user's session. */
  readonly customState?: string | undefined;
}

type Store = { -readonly [Name in keyof AgentContextValues]: AgentContextValues[Name] };

const storage = new AsyncLocalStorage<Store>();

const set = (name: keyof AgentContextValues, value: string | undefined): void => {
  const store = storage.getStore();
  if (!store) {
    throw new ContextError(
      `\`${name}\` can be set only inside \`AgentContext.run(values, fn)\`: outside of it the value would be shared by every task of the process.`,
    );
  }
  store[name] = value;
};

const isAsyncGenerator = (value: unknown): value is AsyncGenerator =>
  typeof value === "object" && value !== null && Symbol.asyncIterator in value && "next" in value && typeof value.next === "function";

const lazy = new Set(["[object Generator]", "[object Iterator Helper]"]);
/** A generator that is not async, or what is made of one. Other iterators run no code of the caller's. */
const isGenerator = (value: unknown): value is Generator => lazy.has(Object.prototype.toString.call(value));

type AnyGenerator = AsyncGenerator | Generator;

/** A generator's body runs where `next` is called: this takes each step back into the run that the generator was made in. */
const bound = <G extends AnyGenerator>(generator: G, store: Store): G =>
  new Proxy(generator, {
    get(target, name) {
      if (name === Symbol.asyncIterator || name === Symbol.iterator) return name in target ? () => bound(target, store) : undefined;
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...args: readonly unknown[]) => {
        const result: unknown = storage.run(store, () => value.apply(target, args));
        return isGenerator(result) ? bound(result, store) : result;
      };
    },
  });

/** A generator, taken back into the current run at each step; anything else as it is. */
export const inCurrentRun = <R>(result: R): R => {
  const store = storage.getStore();
  return store && (isAsyncGenerator(result) || isGenerator(result)) ? bound(result, store) : result;
};

const picked = (values: AgentContextValues): Store => ({
  userId: values.userId,
  userToken: values.userToken,
  workloadToken: values.workloadToken,
  sessionId: values.sessionId,
  customState: values.customState,
});

/** Who the agent acts for, for as long as a function and whatever it awaits are running. Nothing is left to clear, nothing is shared. */
export const AgentContext = {
  /**
   * Runs `fn` with these values and no others: a run inside a run inherits nothing. A generator that `fn` returns, async or not, keeps the
   * values wherever it is iterated.
   */
  run<R>(values: AgentContextValues, fn: () => R): R {
    const store = picked(values);
    return storage.run(store, () => inCurrentRun(fn()));
  },

  /** A copy of the current values; all undefined outside a run. */
  current: (): AgentContextValues => picked(storage.getStore() ?? {}),

  getUserId: (): string | undefined => storage.getStore()?.userId,
  getUserToken: (): string | undefined => storage.getStore()?.userToken,
  getWorkloadToken: (): string | undefined => storage.getStore()?.workloadToken,
  getSessionId: (): string | undefined => storage.getStore()?.sessionId,
  getCustomState: (): string | undefined => storage.getStore()?.customState,

  /** Setters change the innermost run under way, for all that runs in it. @throws ContextError outside a run */
  setUserId: (value: string | undefined): void => set("userId", value),
  /** @throws ContextError outside a run */
  setUserToken: (value: string | undefined): void => set("userToken", value),
  /** @throws ContextError outside a run */
  setWorkloadToken: (value: string | undefined): void => set("workloadToken", value),
  /** @throws ContextError outside a run */
  setSessionId: (value: string | undefined): void => set("sessionId", value),
  /** @throws ContextError outside a run */
  setCustomState: (value: string | undefined): void => set("customState", value),

  /** Empties the innermost run. Outside a run there is nothing to empty, and nothing happens. */
  clear(): void {
    const store = storage.getStore();
    if (store) Object.assign(store, picked({}));
  },
} as const;
