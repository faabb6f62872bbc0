/** Owns the wire of Coze workload identity. */
export { type CozeRooms, cozePrefix, serveCoze } from "./coze.ts";
