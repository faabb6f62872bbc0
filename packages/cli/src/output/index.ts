/** How answers, failures and progress are told to people and programs. */
export { makeOutput, type Output, type Progress } from "./output.ts";
export { cellOf, printable } from "./printable.ts";
export type { Column } from "./table.ts";
