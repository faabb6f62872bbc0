import { ConfigurationError } from "../../errors.ts";
import { orAbort } from "../../pause.ts";
import type { SigningKey } from "../acs3.ts";
import { isKeyRefused } from "../faults.ts";

/** A key pair, lasting or temporary, as any source may give it. */
export interface Credential {
  readonly accessKeyId?: string | undefined;
  readonly accessKeySecret?: string | undefined;
  readonly securityToken?: string | undefined;
}

/** Where credentials come from; asked for each request. Clients of `@alicloud/credentials` are such sources too. */
export interface CredentialSource {
  getCredential(signal?: AbortSignal): Promise<Credential>;
  /** Told of a key that was refused; answers whether another may come of asking again. Left out, none may. */
  forget?(key: Credential): boolean;
}

/** A key pair, a function that gives one, or a source. */
export type Credentials = Credential | CredentialSource | ((signal?: AbortSignal) => Credential | Promise<Credential>);

const inHeader = /^[\x21-\x2b\x2d-\x7e]{1,8192}$/;

/** What requests are signed with. What cannot stand in a header is refused here: `fetch` would quote it. @throws ConfigurationError */
export const signingKey = ({ accessKeyId, accessKeySecret, securityToken }: Credential, from = "The credentials"): SigningKey => {
  if (!accessKeyId || !accessKeySecret) throw new ConfigurationError(`${from} lack an access key id or its secret.`);
  if (!inHeader.test(accessKeyId)) throw new ConfigurationError(`${from} have an access key id that no request can carry.`);
  if (!securityToken) return { accessKeyId, accessKeySecret };
  if (!inHeader.test(securityToken)) throw new ConfigurationError(`${from} have a security token that no request can carry.`);
  return { accessKeyId, accessKeySecret, securityToken };
};

/** What a source gives at this moment, waited for as long as the caller does. */
export const keyFrom = async (source: CredentialSource, signal: AbortSignal | undefined, name?: string): Promise<SigningKey> =>
  signingKey(await orAbort(source.getCredential(signal), signal), name);

/** Signs with what a source gives. A key that is refused is given up where the source may have another, and that one tried, once. */
export const withKeyFrom = async <T>(
  source: CredentialSource,
  signal: AbortSignal | undefined,
  use: (key: SigningKey) => Promise<T>,
): Promise<T> => {
  const key = await keyFrom(source, signal);
  try {
    return await use(key);
  } catch (error) {
    if (!isKeyRefused(error) || source.forget?.(key) !== true) throw error;
  }
  return use(await keyFrom(source, signal));
};

/** Any of the ways to give credentials, as one. */
export const sourceOf = (credentials: Credentials): CredentialSource => {
  if (typeof credentials === "function") return { getCredential: async (signal) => credentials(signal) };
  if ("getCredential" in credentials) return credentials;
  const { accessKeyId, accessKeySecret, securityToken } = signingKey(credentials, "`credentials`");
  return { getCredential: async () => ({ accessKeyId, accessKeySecret, securityToken }) };
};
