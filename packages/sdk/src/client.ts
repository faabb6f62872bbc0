import { type Broker, makeBroker } from "./broker.ts";
import { type Call, makeCall } from "./call.ts";
import { readEnvironment } from "./environment.ts";
import { ConfigurationError } from "./errors.ts";
import { makeNativeService } from "./native-service.ts";
import { makeNouns, type Nouns } from "./nouns.ts";
import { type LegateClientOptions, type Settings, settingsFrom } from "./settings.ts";

const brokers = new WeakMap<LegateClient, Broker>();

/**
 * A Legate server as an object: one method per operation, grouped by noun.
 *
 * @example
 * ```ts
 * import { LegateClient } from "@legate/sdk";
 *
 * const client = new LegateClient({ url: "https://legate.example.com", operatorKey: process.env.LEGATE_OPERATOR_KEY });
 * const agent = await client.agents.create({ name: "mail-reader" });
 * for await (const event of client.auditEvents.all({ agent: agent.id })) console.log(event.action);
 * ```
 */
export class LegateClient {
  /** Who this client's key is, in which tenant, and what the server sees of the request. */
  readonly whoami: Nouns["whoami"];
  readonly tenants: Nouns["tenants"];
  readonly operators: Nouns["operators"];
  readonly agents: Nouns["agents"];
  readonly keys: Nouns["keys"];
  readonly clientSecrets: Nouns["clientSecrets"];
  readonly clientKeys: Nouns["clientKeys"];
  readonly accessKeys: Nouns["accessKeys"];
  readonly clients: Nouns["clients"];
  readonly resources: Nouns["resources"];
  readonly users: Nouns["users"];
  readonly issuers: Nouns["issuers"];
  readonly providers: Nouns["providers"];
  readonly tokenVaults: Nouns["tokenVaults"];
  readonly workloadTokens: Nouns["workloadTokens"];
  readonly credentials: Nouns["credentials"];
  readonly authorizations: Nouns["authorizations"];
  readonly connections: Nouns["connections"];
  readonly grants: Nouns["grants"];
  readonly roles: Nouns["roles"];
  readonly projects: Nouns["projects"];
  readonly variables: Nouns["variables"];
  readonly integrations: Nouns["integrations"];
  readonly signingKeys: Nouns["signingKeys"];
  readonly dataKeys: Nouns["dataKeys"];
  readonly masterKey: Nouns["masterKey"];
  readonly peppers: Nouns["peppers"];
  readonly auditEvents: Nouns["auditEvents"];
  /** Asks any operation of the contract; every method is this with its operation filled in. */
  readonly call: Call;
  // A true private: keys stand in no property that printing, cloning or serialising would show.
  readonly #settings: Settings;

  /** @throws ConfigurationError */
  constructor(options: LegateClientOptions) {
    this.#settings = settingsFrom(options);
    this.call = makeCall(this.#settings);
    const nouns = makeNouns(this.call);
    this.whoami = nouns.whoami;
    this.tenants = nouns.tenants;
    this.operators = nouns.operators;
    this.agents = nouns.agents;
    this.keys = nouns.keys;
    this.clientSecrets = nouns.clientSecrets;
    this.clientKeys = nouns.clientKeys;
    this.accessKeys = nouns.accessKeys;
    this.clients = nouns.clients;
    this.resources = nouns.resources;
    this.users = nouns.users;
    this.issuers = nouns.issuers;
    this.providers = nouns.providers;
    this.tokenVaults = nouns.tokenVaults;
    this.workloadTokens = nouns.workloadTokens;
    this.credentials = nouns.credentials;
    this.authorizations = nouns.authorizations;
    this.connections = nouns.connections;
    this.grants = nouns.grants;
    this.roles = nouns.roles;
    this.projects = nouns.projects;
    this.variables = nouns.variables;
    this.integrations = nouns.integrations;
    this.signingKeys = nouns.signingKeys;
    this.dataKeys = nouns.dataKeys;
    this.masterKey = nouns.masterKey;
    this.peppers = nouns.peppers;
    this.auditEvents = nouns.auditEvents;
    brokers.set(this, makeBroker(this.#settings, makeNativeService(this.#settings, this.call)));
  }

  /**
   * A client for what `LEGATE_URL`, `LEGATE_AGENT_KEY`, `LEGATE_AGENT`, `LEGATE_OPERATOR_KEY` and `LEGATE_WORKLOAD_TOKEN` say; options win.
   *
   * @throws ConfigurationError when no URL is given either way.
   */
  static fromEnvironment(options: Partial<LegateClientOptions> = {}): LegateClient {
    const environment = readEnvironment();
    const url = options.url ?? environment.url;
    if (url === undefined) throw new ConfigurationError("Where is the server? Set LEGATE_URL, or give a `client`.");
    return new LegateClient({
      agentKey: environment.agentKey,
      operatorKey: environment.operatorKey,
      agent: environment.agent,
      ...options,
      url,
    });
  }

  /** The server's address, without a final slash. */
  get url(): string {
    return this.#settings.url;
  }

  /** Whether this client can ask on its own, without a token in hand. */
  get hasKey(): boolean {
    return (this.#settings.agentKey ?? this.#settings.operatorKey) !== undefined;
  }

  toJSON(): { readonly url: string } {
    return { url: this.url };
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `LegateClient { url: '${this.url}' }`;
  }
}

/** The part of a client that the wrappers use. */
export const brokerOf = (client: LegateClient): Broker => {
  const broker = brokers.get(client);
  if (!broker) throw new ConfigurationError("`client` must be a LegateClient of this same copy of @legate/sdk.");
  return broker;
};

let shared: { readonly of: string; readonly client: LegateClient } | undefined;

/** The client that the environment describes, made when first needed and kept until the environment changes. */
export const environmentClient = (): LegateClient => {
  const of = JSON.stringify(readEnvironment());
  if (shared?.of !== of) shared = { of, client: LegateClient.fromEnvironment() };
  return shared.client;
};
