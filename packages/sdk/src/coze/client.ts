import { linkedSignal } from "../pause.ts";
import { type Answer, type Ask, makeAsk } from "./ask.ts";
import { envKeys } from "./env-keys.ts";
import { ConfigurationError, OutboundError } from "./errors.ts";
import { answered } from "./fault.ts";
import { identityKey } from "./identity-key.ts";
import { laneHeaders } from "./lane.ts";
import type { Step } from "./log.ts";
import { credentialNaming, credentialOf, type Naming, variablesNaming, variablesOf } from "./outbound.ts";
import type { ProjectEnvVars } from "./project-env.ts";
import { type ClientOptions, type Settings, settingsFrom } from "./settings.ts";
import { makeFlow } from "./token-flow.ts";
import { type Flow, type IdentityTokens, storeFor } from "./tokens.ts";

/** What every call may be given. */
export interface CallOptions {
  /** Ends this call, with the signal's reason. Others that wait for the same token go on. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A workload with Coze's identity: its tokens, its integrations' credentials, its project's variables. It speaks to Coze's platform and to Legate alike.
 *
 * Access tokens are kept for the whole process, by endpoints, client id, secret and lane; who asks at the same time shares one request.
 *
 * @example
 * ```ts
 * import { Client } from "@legate/sdk/coze";
 *
 * await using client = new Client();
 * const variables = await client.getProjectEnvVars();
 * console.log(variables.get("GREETING", "hello"), (await client.getIntegrationCredential("github")).length);
 * ```
 */
export class Client {
  // True privates: the secret stands in no property that printing, cloning or serialising would show.
  readonly #settings: Settings;
  readonly #ask: Ask;
  readonly #flow: Flow;
  readonly #key: string;

  /** @throws ConfigurationError that names every variable that is missing */
  constructor(options: ClientOptions = {}) {
    this.#settings = settingsFrom(options);
    this.#ask = makeAsk(this.#settings);
    this.#flow = makeFlow(this.#settings, this.#ask);
    this.#key = identityKey(this.#settings);
  }

  /**
   * The access token, from memory while it can be used.
   *
   * @throws TokenRetrievalError, or TokenExchangeError where the exchange's answer holds no token
   */
  getAccessToken(options: CallOptions = {}): Promise<string> {
    return this.#within(options, (signal) => this.#tokens().get(this.#flow, signal));
  }

  /**
   * The credential of an integration: an API key, or a token that the platform keeps fresh.
   *
   * @throws ConfigurationError without an outbound endpoint, OutboundError, and what {@link getAccessToken} throws
   */
  getIntegrationCredential(name: string, options: CallOptions = {}): Promise<string> {
    const body = JSON.stringify({ integration_name: name });
    return this.#outbound("integration", credentialNaming, "integration credentials", options, credentialOf, (endpoint) => ({
      method: "POST",
      url: this.#settings.legacy ? endpoint : `${endpoint}/integration`,
      body,
    }));
  }

  /**
   * The variables of this workload's project, as the client's lane has them. The project is the token's; a `projectId`, which version 0.1.2 of the Python
   * package demands, must name the same.
   *
   * @throws ConfigurationError without an outbound endpoint, OutboundError, and what {@link getAccessToken} throws
   */
  getProjectEnvVars(projectId?: string, options: CallOptions = {}): Promise<ProjectEnvVars> {
    const query = projectId === undefined ? "" : `?${new URLSearchParams({ project_id: projectId }).toString()}`;
    return this.#outbound("env", variablesNaming, variablesNaming.object, options, variablesOf, (endpoint) => ({
      method: "GET",
      url: `${endpoint}/env${query}`,
    }));
  }

  /** Forgets the tokens of this client's identity, also for other clients of the same identity in this process. */
  clearCache(): void {
    storeFor(this.#settings.clock).clear(this.#key);
  }

  /** For code that ports: nothing of a client stays open, and it works afterwards as before. */
  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  toJSON(): { readonly clientId: string; readonly lane: string } {
    return { clientId: this.#settings.clientId, lane: this.#settings.lane };
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `Client ${JSON.stringify(this)}`;
  }

  #tokens(): IdentityTokens {
    return storeFor(this.#settings.clock).of(this.#key);
  }

  async #within<T>(options: CallOptions, act: (signal: AbortSignal | undefined) => Promise<T>): Promise<T> {
    const { signal: whole } = this.#settings;
    if (!whole || !options.signal) return act(whole ?? options.signal);
    const { signal, release } = linkedSignal([whole, options.signal]);
    try {
      return await act(signal);
    } finally {
      release();
    }
  }

  async #outbound<T>(
    step: Step,
    naming: Naming,
    neededFor: string,
    options: CallOptions,
    read: (answer: Answer, secrets: readonly string[]) => T,
    ask: (endpoint: string) => { readonly method: "GET" | "POST"; readonly url: string; readonly body?: string },
  ): Promise<T> {
    const { outboundEndpoint, clientSecret, lane } = this.#settings;
    if (outboundEndpoint === undefined) {
      throw new ConfigurationError(`${envKeys.COZE_OUTBOUND_AUTH_ENDPOINT} environment variable is required for ${neededFor}`);
    }
    return this.#within(options, async (signal) => {
      const attempt = async (tokens: IdentityTokens) => {
        const token = await tokens.get(this.#flow, signal);
        const headers = { "content-type": "application/json", authorization: `Bearer ${token}`, ...laneHeaders(lane) };
        const secrets = [clientSecret, token];
        const asking = this.#ask({ step, headers, secrets, ...ask(outboundEndpoint) }, signal);
        const answer = await answered(asking, OutboundError, `Failed to retrieve ${naming.object}`);
        if (answer.status === 401) tokens.drop(token);
        return { answer, secrets };
      };
      const first = await attempt(this.#tokens());
      // The token may have been revoked since it was fetched: a new one is given one chance.
      const { answer, secrets } = first.answer.status === 401 ? await attempt(this.#tokens()) : first;
      return read(answer, secrets);
    });
  }
}
