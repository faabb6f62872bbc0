import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { envKeys } from "./env-keys.ts";
import { processVariables, type Variables } from "./environment.ts";
import { ConfigurationError } from "./errors.ts";

const written = new Map<string, string>();

const removeAll = (): void => {
  for (const path of written.values()) rmSync(dirname(path), { recursive: true, force: true });
};

/** Puts the text into a file that goes when the process does, once for each text. */
const fileOf = (text: string): string => {
  const known = written.get(text);
  if (known !== undefined && existsSync(known)) return known;
  if (known !== undefined) rmSync(dirname(known), { recursive: true, force: true });
  const path = join(mkdtempSync(join(tmpdir(), "coze-ca-")), "ca.pem");
  writeFileSync(path, text, { mode: 0o600 });
  if (written.size === 0) process.once("exit", removeAll);
  written.set(text, path);
  return path;
};

/**
 * A file with the certificates that the platform's proxy is trusted by: the text in `COZE_OUTBOUND_AUTH_PROXY_CA`, written to a file that is deleted at
 * exit, else `COZE_OUTBOUND_AUTH_PROXY_CA_PATH`; undefined where neither is set.
 *
 * @throws ConfigurationError when the path leads to no file
 */
export const caBundlePath = (variables: Variables = processVariables()): string | undefined => {
  const text = variables[envKeys.COZE_OUTBOUND_AUTH_PROXY_CA];
  if (text) return fileOf(text);
  const path = variables[envKeys.COZE_OUTBOUND_AUTH_PROXY_CA_PATH];
  if (!path) return undefined;
  if (existsSync(path)) return path;
  throw new ConfigurationError(
    `COZE_OUTBOUND_AUTH_PROXY_CA_PATH environment variable is set to '${path}' but the file does not exist. Please check the path.`,
  );
};
