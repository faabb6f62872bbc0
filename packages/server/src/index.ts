/** Legate as a library: read a configuration, open a server. */
export { type Config, ConfigError, readConfig } from "./config/index.ts";
export { openServer, type Server } from "./server.ts";
