/** Owns the pages people see: consent and its endings. */
export { type PagesRooms, servePages } from "./pages.ts";
