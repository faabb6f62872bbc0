import { existsSync, lstatSync, readdirSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import { exposureOf, readProfiles } from "../config-file.ts";
import { failureOf, systemCode } from "../failure.ts";
import { broken, fine, type Finding, skipped, warning } from "./finding.ts";

/** The stored keys of this program. */
export const checkConfigFile = (path: string, platform: NodeJS.Platform): Finding => {
  const check = "stored keys";
  if (!existsSync(path)) return fine(check, "None are stored here.");
  const exposure = exposureOf(path, platform);
  if (exposure !== undefined) return broken(check, exposure, `Change those keys, for others may know them, then run: chmod 600 ${path}`);
  try {
    readProfiles(path, platform, () => undefined);
    return fine(check, `${path} can be read by its owner alone.`);
  } catch (error) {
    return broken(check, failureOf(error).message, "Remove it, and run `legate login` again.");
  }
};

/** Of free space, from where a server that writes is in danger. */
const leastFree = 1024 ** 3;

/** The files of a server that runs on this machine: its keys, its store, and the room that is left. */
export const checkDataDir = (folder: string, isGiven: boolean, platform: NodeJS.Platform): readonly Finding[] => {
  const check = "key files";
  if (!existsSync(folder))
    return [
      isGiven
        ? broken(check, `There is no ${folder}.`, "Give the server's LEGATE_DATA_DIR with --data-dir.")
        : skipped(check, "No data directory is here. On the server's own machine, give --data-dir."),
    ];
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    const mend = "Give the server's LEGATE_DATA_DIR with --data-dir, and run this as the server's user.";
    return [broken(check, `${folder} cannot be looked into (${systemCode(error)}).`, mend)];
  }
  const findings: Finding[] = [];
  if (platform === "win32") findings.push(skipped(check, "Modes say nothing on Windows: look at who may read the data directory."));
  else {
    const isOpen = (path: string) => (statSync(path).mode & 0o077) !== 0;
    const isClosed = !isOpen(folder);
    // A link's own mode says nothing, and what is no file holds nothing.
    const files = names.filter((name) => lstatSync(join(folder, name)).isFile());
    const open = files.filter((name) => isOpen(join(folder, name)));
    const openKeys = open.filter((name) => name.endsWith(".key"));
    if (openKeys.length > 0)
      findings.push(
        broken(
          check,
          `Others can get at ${openKeys.join(", ")} in ${folder}.`,
          `chmod 600 ${join(folder, "*.key")}, and change the master key if others were on this machine.`,
        ),
      );
    else if (open.length > 0 && !isClosed)
      findings.push(
        warning(check, `Others can get at ${open.join(", ")} in ${folder}.`, `chmod 700 ${folder} && chmod 600 ${join(folder, "*")}`),
      );
    else if (!isClosed) findings.push(warning(check, `Others can look into ${folder}.`, `chmod 700 ${folder}`));
    else findings.push(fine(check, `${folder} can be read by its owner alone.`));
  }
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  const words = `${(free / 1024 ** 3).toFixed(1)} GiB are free at ${folder}.`;
  findings.push(free < leastFree ? warning("disk", words, "Make room: a server that cannot write answers 503.") : fine("disk", words));
  return findings;
};
