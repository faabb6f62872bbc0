/** Owns the settings: environment in, one checked value out, all problems at once. */
export { type Config, readConfig } from "./config.ts";
export { ConfigError } from "./config-error.ts";
export { settings } from "./settings.ts";
