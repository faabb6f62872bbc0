import { homedir } from "node:os";
import { join } from "node:path";

type Variables = Readonly<Record<string, string | undefined>>;

/** What the process's environment says. An empty variable counts as absent. */
export interface Environment {
  /** All of it: what a started command inherits, and where a secret is looked up by name. */
  readonly variables: Variables;
  /** `LEGATE_URL`. */
  readonly url: string | undefined;
  /** `LEGATE_OPERATOR_KEY`. */
  readonly operatorKey: string | undefined;
  /** `LEGATE_AGENT_KEY`. */
  readonly agentKey: string | undefined;
  /** `LEGATE_PROFILE`: which stored profile is used. */
  readonly profile: string | undefined;
  /** `LEGATE_DATA_DIR`: where a server that runs on this machine keeps its files. */
  readonly dataDir: string | undefined;
  /** Where profiles are stored: below `XDG_CONFIG_HOME`, or `APPDATA` on Windows. */
  readonly configFile: string;
  /** `NO_COLOR`, or a terminal that knows no colours. */
  readonly noColor: boolean;
}

/** Where this platform keeps what programs are configured with. */
const configHome = (platform: NodeJS.Platform, first: (name: string) => string | undefined): string => {
  if (platform === "win32") return first("APPDATA") ?? join(homedir(), "AppData", "Roaming");
  const home = first("XDG_CONFIG_HOME");
  // A relative path is to be ignored, says the XDG Base Directory Specification.
  return home?.startsWith("/") ? home : join(first("HOME") ?? homedir(), ".config");
};

/** Reads the environment: the one place of this package that does. */
export const readEnvironment = (platform: NodeJS.Platform = process.platform, variables: Variables = process.env): Environment => {
  const first = (name: string) => (variables[name] === "" ? undefined : variables[name]);
  return {
    variables,
    url: first("LEGATE_URL"),
    operatorKey: first("LEGATE_OPERATOR_KEY"),
    agentKey: first("LEGATE_AGENT_KEY"),
    profile: first("LEGATE_PROFILE"),
    dataDir: first("LEGATE_DATA_DIR"),
    configFile: join(configHome(platform, first), "legate", "config.json"),
    // no-color.org: any value that is not empty.
    noColor: first("NO_COLOR") !== undefined || first("TERM") === "dumb",
  };
};
