import { expect, test } from "vitest";
import { readEnvironment } from "./environment.ts";

const fileOf = (platform: NodeJS.Platform, variables: Record<string, string>) => readEnvironment(platform, variables).configFile;

test("keys are stored where the platform keeps what programs are configured with", () => {
  expect(fileOf("linux", { HOME: "/home/me", XDG_CONFIG_HOME: "/etc/mine" })).toBe("/etc/mine/legate/config.json");
  expect(fileOf("linux", { HOME: "/home/me" })).toBe("/home/me/.config/legate/config.json");
  // A relative path is no place: it would move with the working directory.
  expect(fileOf("darwin", { HOME: "/home/me", XDG_CONFIG_HOME: "mine" })).toBe("/home/me/.config/legate/config.json");
  expect(fileOf("win32", { APPDATA: "C:\\Users\\me\\AppData" })).toMatch(/^C:\\Users\\me\\AppData.legate.config\.json$/);
});

test("an empty variable counts as absent", () => {
  expect(readEnvironment("linux", { LEGATE_URL: "", NO_COLOR: "" })).toMatchObject({ url: undefined, noColor: false });
});
