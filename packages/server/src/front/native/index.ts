/** Owns our own wire: `/v1`, its reference, and the key set. */
export { errors } from "./errors.ts";
export { type NativeRooms, openApiOf, serveNative } from "./native.ts";
