import { inject, type Wanting } from "./inject.ts";
import {
  type AccessTokenOptions,
  type ApiKeyOptions,
  accessTokenKind,
  apiKeyKind,
  type Kind,
  type StsCredentialOptions,
  stsCredentialKind,
  type WorkloadTokenOptions,
  workloadTokenKind,
} from "./wrappers.ts";
import type { StsCredential } from "./wire.ts";

/**
 * A TC39 method decorator. A decorator cannot change a method's type, so the field is declared optional in the first argument, and the
 * method returns a promise or an async generator: what callers get of it.
 */
export type CredentialDecorator<K extends string, V> = <
  This,
  Input extends Wanting<K, V>,
  Rest extends unknown[],
  Return extends Promise<unknown> | AsyncGenerator,
>(
  method: (this: This, input: Input, ...rest: Rest) => Return,
  context: ClassMethodDecoratorContext<This, (this: This, input: Input, ...rest: Rest) => Return>,
) => (this: This, input: Input, ...rest: Rest) => Return;

/** The decorator of a kind of credential. */
export const decorator = <K extends string, V>({ name, obtain }: Kind<V>): CredentialDecorator<K, V> => {
  return (method, context) => {
    if (context?.kind !== "method") throw new TypeError(`\`${name}\` can be injected into methods only.`);
    return inject(name, obtain, method) as typeof method;
  };
};

/** As {@link withAccessToken}, for a method. */
export const requiresAccessToken = <const K extends string = "accessToken">(
  options: AccessTokenOptions<K>,
): CredentialDecorator<K, string> => decorator(accessTokenKind(options));

/** As {@link withApiKey}, for a method. */
export const requiresApiKey = <const K extends string = "apiKey">(options: ApiKeyOptions<K>): CredentialDecorator<K, string> =>
  decorator(apiKeyKind(options));

/** As {@link withStsCredential}, for a method. */
export const requiresStsToken = <const K extends string = "stsCredential">(
  options: StsCredentialOptions<K> = {},
): CredentialDecorator<K, StsCredential> => decorator(stsCredentialKind(options));

/** As {@link withWorkloadToken}, for a method. */
export const requiresWorkloadAccessToken = <const K extends string = "workloadToken">(
  options: WorkloadTokenOptions<K> = {},
): CredentialDecorator<K, string> => decorator(workloadTokenKind(options));
