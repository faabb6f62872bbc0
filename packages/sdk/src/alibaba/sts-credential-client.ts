import type { StsCredential } from "../wire.ts";

/** Temporary keys as clients of Alibaba Cloud's other services take them: give it as `credential`. */
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
