import { type CallbackHandler, type CallbackOptions, callbackHandler as handlerOf, type NodeRequest } from "../callback.ts";
import { environmentClient } from "./client.ts";

/**
 * The return URL of a consent, as {@link handlerOf} has it. Without a `client`, the one that the environment describes confirms.
 */
export const callbackHandler = <R extends Request | NodeRequest>(options: CallbackOptions<R>): CallbackHandler<R> =>
  handlerOf({ ...options, client: options.client ?? { confirmUserAuth: (of) => environmentClient().confirmUserAuth(of) } });
