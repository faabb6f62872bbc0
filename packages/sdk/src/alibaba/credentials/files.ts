import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { ConfigurationError } from "../../errors.ts";
import { variable, type Variables } from "../environment.ts";

/** The folder of the person who runs this. */
export const homeOf = (variables: Variables): string => variable(variables, "HOME") ?? variable(variables, "USERPROFILE") ?? homedir();

/** A file's text; undefined where there is none. */
export const readText = async (path: string): Promise<string | undefined> => {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new ConfigurationError(`${path} cannot be read (${String(code)}).`);
  }
};
