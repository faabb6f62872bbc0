import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { keptInFile, namedInFile } from "./workload-file.ts";

let folder: string;
let file: string;
let said: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "legate-workload-"));
  file = join(folder, ".config.json");
  said = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

const say = (line: string) => void said.push(line);
const kept = (name = "workload-1", disk?: Parameters<typeof keptInFile>[3]) => keptInFile(file, name, say, disk);
const content = (path = file): unknown => JSON.parse(readFileSync(path, "utf8"));
const refused = (code: string) => () => Promise.reject(Object.assign(new Error("no"), { code }));

describe("the file that remembers a workload's name", () => {
  it.each([undefined, '{"inbound_app_id":"7"}'])(
    "holds one name, and all that it held, whoever writes it at the same time: %s",
    async (before) => {
      if (before !== undefined) writeFileSync(file, before);
      const names = await Promise.all(Array.from({ length: 24 }, (_, at) => kept(`workload-${at}`)));
      expect(new Set(names).size).toBe(1);
      expect(content()).toEqual({ ...(before !== undefined && { inbound_app_id: "7" }), workload_identity_name: names[0] });
      expect(readdirSync(folder)).toEqual([".config.json"]);
      expect(said).toHaveLength(1);
    },
  );

  it("keeps who may read it", async () => {
    writeFileSync(file, '{"secret":"s"}');
    chmodSync(file, 0o600);
    await kept();
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it.each(["elsewhere.json", "not-yet.json"])("stays the link that it is, and what it leads to is written: %s", async (name) => {
    const target = join(folder, name);
    if (name === "elsewhere.json") writeFileSync(target, "{}");
    symlinkSync(name, file);
    expect(await kept()).toBe("workload-1");
    expect(lstatSync(file).isSymbolicLink()).toBe(true);
    expect(content(target)).toEqual({ workload_identity_name: "workload-1" });
  });

  it.each(["ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EPERM"])("is written where there are no hard links (%s)", async (code) => {
    expect(await kept("workload-1", { link: refused(code) })).toBe("workload-1");
    expect(content()).toEqual({ workload_identity_name: "workload-1" });
    expect(await kept("workload-2")).toBe("workload-1");
  });

  it.each(["EROFS", "EACCES", "ENOSPC", "EDQUOT"])(
    "is done without where nothing can be written (%s): the name is good for the process",
    async (code) => {
      expect(await kept("workload-1", { link: refused(code) })).toBe("workload-1");
      expect(said.join("")).toMatch(new RegExp(`cannot remember it \\(${code}\\).*AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME`));
      expect(readdirSync(folder)).toEqual([]);
      await expect(kept("workload-1", { link: refused("EIO") })).rejects.toThrow(/cannot be written \(EIO\)/);
    },
  );

  it("is waited for while another writes it, and no longer than a process that died may hold it", async () => {
    const lock = `${file}.legate-lock`;
    writeFileSync(lock, "");
    const waiting = kept("workload-1", { staleMs: 600_000 });
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(existsSync(file)).toBe(false);
    writeFileSync(file, '{"workload_identity_name":"workload-other"}');
    rmSync(lock);
    expect(await waiting).toBe("workload-other");
    rmSync(file);
    writeFileSync(lock, "");
    expect(await kept("workload-2", { staleMs: 50 })).toBe("workload-2");
    expect(readdirSync(folder)).toEqual([".config.json"]);
  });

  it("may begin with a byte order mark", async () => {
    writeFileSync(file, '\ufeff{"workload_identity_name":"mail"}');
    expect(await namedInFile(file)).toBe("mail");
    expect(await kept()).toBe("mail");
  });
});
