/** Owns the OAuth wire: its endpoints, discovery, and the pages of its consent. */
export { type AuthorizeRooms, makeOtherLogin, serveAuthorize } from "./authorize.ts";
export { type OauthRooms, serveOauth } from "./oauth.ts";
