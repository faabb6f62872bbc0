/** Owns the HTTP server: limits, headers, health, metrics, logs. */
export { addressOf } from "./address.ts";
export { countedRefusalOf, refusalOf, setRefusalHeaders, withoutKeys } from "./failures.ts";
export { type Fields, parseFields, readForm } from "./form.ts";
export { freePort } from "./free-port.ts";
export { type Http, type HttpSettings, makeHttp } from "./http.ts";
export { parseJson, readJson } from "./json.ts";
export { type Log, makeLog } from "./log.ts";
export { prefixOf, tenantOf } from "./tenant-prefix.ts";
export { isWellFormedUrl } from "./well-formed.ts";
