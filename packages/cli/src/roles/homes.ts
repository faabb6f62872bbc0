import { type Context, type Option, textOf, type Typed } from "../command.ts";
import type { Home } from "./home.ts";
import { legateHome } from "./legate-home.ts";

export const homeOptions: readonly Option[] = [];

/** Where the options say that things are made. */
export const homeOf = async (context: Context, typed: Typed): Promise<Home> => {
  void textOf(typed, "cloud");
  return legateHome(context.client, context.session().endpoint);
};
