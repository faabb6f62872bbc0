import { ConfigurationError, LegateConnectionError } from "../../errors.ts";
import { linkedSignal, orAbort } from "../../pause.ts";
import { failureReason } from "../../retry.ts";
import type { SigningKey } from "../acs3.ts";
import type { Variables } from "../environment.ts";
import type { Rpc } from "../rpc.ts";
import { maybe, object, secret, type Shape, text } from "../shape.ts";
import { signingKey } from "./credential.ts";
import type { Lease, Leases } from "./leases.ts";

/** What a step of the chain works with, at one call. */
export interface Tools {
  readonly variables: Variables;
  /** A file's text; undefined where there is none. */
  readonly read: (path: string) => Promise<string | undefined>;
  /** The folder of the person who runs this. */
  readonly home: string;
  readonly fetch: typeof globalThis.fetch;
  /** Past any proxy: for addresses of this machine, and for keys that travel in the clear. */
  readonly direct: typeof globalThis.fetch;
  readonly rpc: Rpc;
  readonly leases: Leases;
  readonly clock: () => number;
  readonly signal: AbortSignal | undefined;
}

/** One place that a credential may come from; undefined where it is not set up. @throws ConfigurationError where it is, and wrong */
export type Step = (tools: Tools) => Promise<SigningKey | undefined>;

/** Seconds that keys of a role live, where nothing else is said. */
export const roleSeconds = 3_600;

interface Fetching {
  readonly fetch: typeof globalThis.fetch;
  readonly name: string;
  readonly url: string;
  readonly method?: "GET" | "PUT";
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

/** The text of a 200, within a time limit. Neither address nor answer is quoted: both may hold secrets. */
export const fetched = async (
  { fetch, name, url, method = "GET", headers = {}, timeoutMs }: Fetching,
  signal: AbortSignal,
): Promise<string> => {
  const limit = linkedSignal([signal]);
  const late = new LegateConnectionError(`${name} did not answer within ${timeoutMs} ms.`, "timeout");
  const timer = setTimeout(() => limit.abort(late), timeoutMs);
  try {
    const exchange = async () => {
      const response = await fetch(url, { method, headers, redirect: "manual", signal: limit.signal });
      return { status: response.status, body: await response.text() };
    };
    const { status, body } = await orAbort(exchange(), limit.signal);
    if (status !== 200) throw new ConfigurationError(`${name} answered ${status}.`);
    return body;
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    if (limit.signal.aborted) throw limit.signal.reason;
    const reason = failureReason(error);
    throw new LegateConnectionError(`${name} cannot be reached (${reason}).`, reason);
  } finally {
    clearTimeout(timer);
    limit.release();
  }
};

const temporary = object({ Code: text, AccessKeyId: secret, AccessKeySecret: secret, SecurityToken: maybe(text), Expiration: secret });

/** A key that a service of this machine's lends, in the form all of them share. */
export const leaseIn = (body: string, name: string): Lease => {
  let answer: ReturnType<typeof temporary>;
  try {
    answer = temporary(JSON.parse(body));
  } catch {
    throw new ConfigurationError(`${name} answered with no credentials.`);
  }
  if (answer.Code !== "Success") throw new ConfigurationError(`${name} answered with no credentials: its code is not Success.`);
  return leaseOf(answer, name);
};

/** A key that is lent until a moment. */
export const leaseOf = (
  { AccessKeyId, AccessKeySecret, SecurityToken, Expiration }: ReturnType<Shape<Omit<ReturnType<typeof temporary>, "Code">>>,
  name: string,
): Lease => {
  const expiresAt = Date.parse(Expiration);
  if (Number.isNaN(expiresAt)) throw new ConfigurationError(`${name} answered with credentials whose end is no date.`);
  const key = signingKey(
    { accessKeyId: AccessKeyId, accessKeySecret: AccessKeySecret, securityToken: SecurityToken },
    `The credentials of ${name}`,
  );
  return { key, expiresAt };
};
