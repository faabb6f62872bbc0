/** Owns the wire of Alibaba Cloud Agent Identity, and of the RAM and STS calls beside it. */
export { type AlibabaRooms, serveAlibaba } from "./alibaba.ts";
