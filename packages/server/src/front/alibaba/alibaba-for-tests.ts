import type { LightMyRequestResponse } from "fastify";
import type { HouseSettings } from "../../compose.ts";
import type { StoreAddress } from "../../ground/db/index.ts";
import { signRequest, type ToSign } from "../../testing/acs3.ts";
import { adminOf } from "../../testing/stores.ts";
import { openBehindHttp } from "../http/house-for-tests.ts";
import { serveAlibaba } from "./index.ts";

export const admin = adminOf("default");

/** What signs: a lasting key, or a temporary one with its token. */
export interface TestKey {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  readonly securityToken?: string;
}

/** Parameters of an action as the original client writes them: lists and objects as JSON, truth values in capitals. */
export type Params = Readonly<Record<string, unknown>>;

export interface Sent {
  readonly version?: string;
  /** Signed by this key; nobody signs where it is left out. */
  readonly key?: TestKey;
  /** In the form, unless `inQuery`. */
  readonly params?: Params;
  readonly inQuery?: Params;
  /** Instead of the form that `params` make. */
  readonly body?: string;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** `/` or `/t/{tenant}/`. */
  readonly path?: string;
  readonly more?: Partial<ToSign>;
}

export const controlPlane = "2025-09-01";
export const dataPlane = "2025-11-27";

const written = (value: unknown): string => {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "True" : "False";
  return JSON.stringify(value);
};

/** A form; what is undefined is left out. */
export const formOf = (params: Params): Record<string, string> =>
  Object.fromEntries(
    Object.entries(params)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, written(value)]),
  );

export type Answered = LightMyRequestResponse;

/** The whole house behind this wire, on the store given, with a clock moved by hand. */
export const openAlibaba = async (store: StoreAddress, settings: Pick<HouseSettings, "rateLimits"> = {}, now?: number) => {
  const { house, hand, http, close } = await openBehindHttp(store, serveAlibaba, { ...settings, now });

  /** Calls an action as the original client does: everything it knows is signed. */
  const call = (action: string, sent: Sent = {}): Promise<Answered> => {
    const { version = dataPlane, key, params = {}, inQuery = {}, path = "/", headers = {}, more = {} } = sent;
    const body = sent.body ?? new URLSearchParams(formOf(params)).toString();
    const signed = signRequest({
      accessKeyId: key?.accessKeyId ?? "",
      secret: key?.accessKeySecret ?? "",
      securityToken: key?.securityToken,
      action,
      version,
      query: formOf(inQuery),
      body,
      date: hand.clock(),
      ...more,
      headers: { ...(sent.type !== undefined && { "content-type": sent.type }), ...headers, ...more.headers },
    });
    const { authorization: _, ...unsigned } = signed.headers;
    return http.app.inject({
      method: "POST",
      url: `${path}${signed.query === "" ? "" : `?${signed.query}`}`,
      headers: key ? signed.headers : unsigned,
      ...(body !== "" && { payload: body }),
    });
  };

  /** The legacy form of the original client: nobody signs, and the action stands in the query as well. */
  const assume = (params: Params, sent: Sent = {}): Promise<Answered> =>
    call("AssumeRoleForWorkloadIdentity", {
      params,
      inQuery: {
        Action: "AssumeRoleForWorkloadIdentity",
        Format: "json",
        Version: dataPlane,
        Timestamp: "2026-01-01T00:00:00Z",
        SignatureNonce: "0123456789abcdef0123456789abcdef",
      },
      ...sent,
    });

  const adminKey = async (who = admin): Promise<TestKey> => {
    const [first] = (await house.operators.list(who.tenant, { limit: 1 })).items;
    if (!first) throw new Error("The tenant has no operator.");
    return house.accessKeys.create({ ...who, caller: { kind: "operator", id: first.id, role: "admin" } }, { rights: "admin" });
  };

  return {
    house,
    hand,
    app: http.app,
    call,
    assume,
    /** A key of the tenant's first admin. */
    adminKey,
    /** A key of an agent. */
    agentKey: (agent: string, who = admin): Promise<TestKey> => house.accessKeys.create(who, { rights: { agent } }),
    close,
  };
};
export type OpenAlibaba = Awaited<ReturnType<typeof openAlibaba>>;

export interface WireError {
  readonly RequestId: string;
  readonly Code: string;
  readonly Message: string;
}

/** Status and code of a refusal that is whole: with this request's own id, and nothing else in it; else the whole answer. */
export const faultOf = (answer: Answered): unknown => {
  const { RequestId, Code, Message, ...more } = answer.json<WireError>();
  const whole =
    RequestId === answer.headers["x-request-id"] &&
    typeof Code === "string" &&
    typeof Message === "string" &&
    Message !== "" &&
    Object.keys(more).length === 0 &&
    answer.headers["content-type"] === "application/json; charset=utf-8" &&
    answer.headers["content-length"] === String(Buffer.byteLength(answer.body));
  return whole ? [answer.statusCode, Code] : { status: answer.statusCode, body: answer.body, headers: answer.headers };
};

/** What an action answered beside its request id; the whole answer where it is no success. */
export const answered = (answer: Answered): Record<string, unknown> => {
  const { RequestId, ...fields } = answer.json<Record<string, unknown>>();
  return answer.statusCode === 200 && RequestId === answer.headers["x-request-id"]
    ? fields
    : { status: answer.statusCode, body: answer.body };
};
