import type { StsCredential } from "../wire.ts";

/** Temporary keys as a source that renews them: for clients of this package as it is, for those of the cloud's other services as the provider of a `Credential` of `@alicloud/credentials`. */
export class StsCredentialClient {
  readonly #load: (signal?: AbortSignal) => Promise<StsCredential>;

  constructor(load: (signal?: AbortSignal) => Promise<StsCredential>) {
    this.#load = load;
  }

  /** Keys that still hold for a while. */
  async getCredential(signal?: AbortSignal): Promise<StsCredential & { readonly type: "sts" }> {
    return { ...(await this.#load(signal)), type: "sts" };
  }

  async getAccessKeyId(): Promise<string> {
    return (await this.#load()).accessKeyId;
  }

  async getAccessKeySecret(): Promise<string> {
    return (await this.#load()).accessKeySecret;
  }

  async getSecurityToken(): Promise<string> {
    return (await this.#load()).securityToken;
  }

  getType(): "sts" {
    return "sts";
  }
}
