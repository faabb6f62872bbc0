// Lets the judges beside this file be written as anybody would write them, though what they judge with is installed elsewhere.
import { register } from "node:module";
import { pathToFileURL } from "node:url";

const base = pathToFileURL(`${process.env.JUDGE_MODULES}/`).href;
register(
  `data:text/javascript,${encodeURIComponent(`
    export const resolve = (name, context, next) =>
      /^(?:\\.|node:|file:|data:)/.test(name) ? next(name, context) : next(name, { ...context, parentURL: ${JSON.stringify(base)} });
  `)}`,
);
