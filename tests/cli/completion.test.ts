import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { legateHere, temporary } from "./legate.ts";

const folder = temporary();
const shells = ["bash", "zsh", "fish"] as const;
const has = (shell: string): boolean => spawnSync(shell, ["--version"]).status === 0;
const pathOf = (shell: string): string => join(folder.path, `legate.${shell}`);

beforeAll(async () => {
  writeFileSync(join(folder.path, "a file"), "");
  for (const shell of shells) writeFileSync(pathOf(shell), (await legateHere(folder.path).run(["completion", shell])).stdout);
});
afterAll(() => folder.remove());

describe("completion", () => {
  describe.each(shells)("for %s", (shell) => {
    test.skipIf(!has(shell))(`is a script that the shell can read${has(shell) ? "" : ` (${shell}: none found)`}`, () => {
      const { status, stderr } = spawnSync(shell, ["-n", pathOf(shell)], { encoding: "utf8" });
      expect([status, stderr]).toEqual([0, ""]);
    });
  });

  test.skipIf(!has("bash")).each([
    [["agents", "cr"], ["create"]],
    [["projects", "variables", "im"], ["import"]],
    [["--endpoint", "agents", "do"], ["doctor"]],
    [["agents", "create", "scout", "--bind"], ["--binding"]],
    [["agents", "create", "scout", "--binding", "lo"], ["login"]],
    [["agents", "list", "--js"], ["--json"]],
    [["run", "--project", "shop", "--", "--js"], []],
    [["run", "--project", "shop", "--", "cat", "a fi"], ["a file"]],
    [["run", "--", "readli"], ["readlink"]],
    [["login", "--key-file", "a"], ["a file"]],
    [["comp"], ["completion"]],
    [["completion", "f"], ["fish"]],
  ])("in bash goes on after %j", (words, offered) => {
    const line = ["legate", ...words].map((word) => `'${word}'`).join(" ");
    const script = `source ${pathOf("bash")}; COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _legate; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, stderr } = spawnSync("bash", ["-c", script], { encoding: "utf8", cwd: folder.path });
    // A command that stands in two folders of PATH is offered twice.
    expect([[...new Set(stdout.split("\n"))].filter((word) => word !== ""), stderr]).toEqual([offered, ""]);
  });

  test.skipIf(!has("fish"))(`in fish offers what can follow${has("fish") ? "" : " (fish: none found)"}`, () => {
    const offer = (line: string) => {
      const { stdout } = spawnSync("fish", ["-c", `source ${pathOf("fish")}; complete -C '${line}'`], {
        encoding: "utf8",
        env: { ...process.env, HOME: folder.path },
      });
      return stdout.split("\n").flatMap((each) => (each === "" ? [] : [each.split("\t")[0]]));
    };
    expect(offer("legate agents cr")).toEqual(["create"]);
    expect(offer("legate projects variables im")).toEqual(["import"]);
    expect(offer("legate agents create --bind")).toEqual(["--binding"]);
    expect(offer("legate agents create --binding lo")).toEqual(["login"]);
  });

  test("an unknown shell is said to be one", async () => {
    expect((await legateHere(folder.path).run(["completion", "cmd"])).code).toBe(2);
  });
});
