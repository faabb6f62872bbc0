/** Owns the pages people see: consent and its endings. */
export { type Ending, endingPage, placeOf } from "./ending-pages.ts";
export { type Html, html, name } from "./html.ts";
export { page } from "./layout.ts";
export { cookiesOf, type OtherLogin, type PagesRooms, paramsOf, servePages, whoAsks } from "./pages.ts";
export { sendOnward, sendPage, setPageCookie } from "./send-page.ts";
