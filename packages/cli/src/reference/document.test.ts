import { expect, test } from "vitest";
import { commands } from "../commands/index.ts";
import { exitCodes } from "../failure.ts";
import { makeReference } from "./document.ts";

test("the reference has every command, option and exit code, and repeats exactly", () => {
  const text = makeReference();
  expect(makeReference()).toBe(text);
  for (const { path, options = [], examples } of commands) {
    const [, section = ""] = text.split(`### ${path.join(" ")}\n`);
    for (const { flag } of options) expect(section, path.join(" ")).toContain(`--${flag}`);
    for (const line of examples) expect(section).toContain(line);
  }
  for (const [code, meaning] of Object.values(exitCodes)) expect(text).toContain(`| ${code} | ${meaning} |`);
});

test("a table's cells hold no bare bar", () => {
  for (const line of makeReference()
    .split("\n")
    .filter((line) => line.startsWith("| ")))
    expect(line.match(/(?<!\\)\|/g), line).toHaveLength(3);
});
