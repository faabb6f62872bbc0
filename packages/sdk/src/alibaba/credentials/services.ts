import { ConfigurationError } from "../../errors.ts";
import type { SigningKey } from "../acs3.ts";
import { isPastProxies } from "./past-proxies.ts";
import { fetched, leaseIn, type Tools } from "./source.ts";

/** Each of the three requests for an ECS instance's keys gets this long: where nobody answers there is no such service. */
const metadataMs = 1_000;
const metadata = "http://100.100.100.200/latest";
const tokenSeconds = 21_600;

/**
 * The keys of the role of the ECS instance that this runs on. Only the second version of the metadata service is asked: the first answers anybody who can
 * make the process fetch an address.
 */
export const ecsRole = (tools: Tools, roleName: string | undefined): Promise<SigningKey> =>
  tools.leases(["ecs", roleName ?? null], tools.signal, async (signal) => {
    const name = "The ECS metadata service";
    const ask = async (path: string, headers: Record<string, string>, method: "GET" | "PUT" = "GET") =>
      (await fetched({ fetch: tools.direct, name, url: metadata + path, method, headers, timeoutMs: metadataMs }, signal)).trim();
    const token = await ask("/api/token", { "x-aliyun-ecs-metadata-token-ttl-seconds": String(tokenSeconds) }, "PUT");
    if (!/^[\x21-\x7e]+$/.test(token)) throw new ConfigurationError(`${name} gave no token.`);
    const proof = { "x-aliyun-ecs-metadata-token": token };
    const role = roleName ?? (await ask("/meta-data/ram/security-credentials/", proof));
    if (!/^[\w.-]{1,128}$/.test(role)) throw new ConfigurationError(`${name} named no role.`);
    return leaseIn(await ask(`/meta-data/ram/security-credentials/${role}`, proof), name);
  });

/** The keys that an address of the platform's lends. */
export const lentByUri = (tools: Tools, uri: string): Promise<SigningKey> =>
  tools.leases(["uri", uri], tools.signal, async (signal) => {
    const name = "The credentials URI";
    const place = URL.canParse(uri) ? new URL(uri) : undefined;
    if (!place || !/^https?:$/.test(place.protocol)) throw new ConfigurationError(`${name} is no http or https URL.`);
    const fetch = isPastProxies(place) ? tools.direct : tools.fetch;
    return leaseIn(await fetched({ fetch, name, url: uri, timeoutMs: 10_000 }, signal), name);
  });
