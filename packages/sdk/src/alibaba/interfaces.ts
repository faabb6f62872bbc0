import type { SigningKey } from "./acs3.ts";
import type { Actions, AnswerOf, ParamsOf, Plane } from "./action.ts";
import { registry } from "./control-plane.ts";
import { withKeyFrom } from "./credentials/credential.ts";
import { dataPlane } from "./data-plane.ts";
import { policies } from "./policy-plane.ts";
import { ram, sts } from "./ram-plane.ts";
import type { RequestOptions } from "./rpc.ts";
import type { IdentitySettings } from "./settings.ts";

/** One interface, asked action by action, each with its parameters and its answer as the wire names them. */
export interface Interface<T extends Actions> {
  /** @throws LegateApiError for a refusal, LegateConnectionError without an answer */
  request<N extends keyof T>(action: N, params: ParamsOf<T[N]>, options?: RequestOptions): Promise<AnswerOf<T[N]>>;
}

const interfaceOf = <T extends Actions>(settings: IdentitySettings, plane: Plane, actions: T): Interface<T> => ({
  request: async (name, params, options) => {
    const action = actions[name];
    if (!Object.hasOwn(actions, name) || !action) throw new TypeError(`There is no action ${String(name)} here.`);
    const asked = { plane, name: String(name), action, params: params as object, endpoint: settings.endpoints[plane] };
    const ask = (key: SigningKey | undefined) => settings.rpc({ ...asked, key }, options) as Promise<AnswerOf<T[typeof name]>>;
    return action.anonymous ? ask(undefined) : withKeyFrom(settings.credentials, options?.signal, ask);
  },
});

/** What each plane offers, signed with the caller's own credentials. */
export interface Interfaces {
  readonly control: Interface<typeof registry & typeof policies>;
  readonly data: Interface<typeof dataPlane>;
  readonly ram: Interface<typeof ram>;
  readonly sts: Interface<typeof sts>;
}

export const makeInterfaces = (settings: IdentitySettings): Interfaces => ({
  control: interfaceOf(settings, "control", { ...registry, ...policies }),
  data: interfaceOf(settings, "data", dataPlane),
  ram: interfaceOf(settings, "ram", ram),
  sts: interfaceOf(settings, "sts", sts),
});
