import { codes } from "@legate/contract";
import { expect, test } from "vitest";
import { settings } from "../config/index.ts";
import { makeDocuments } from "./documents.ts";

const textOf = (path: string): string => makeDocuments().find((document) => document.path === path)?.text ?? "";

test("the settings page has a row for every setting", () => {
  for (const { name, sentence } of Object.values(settings)) expect(textOf("settings.md")).toContain(`| \`${name}\` | ${sentence}`);
});

test("the errors page has a row for every code", () => {
  for (const code of Object.keys(codes)) expect(textOf("errors.md")).toMatch(new RegExp(`^\\| [45]\\d\\d \\| \`${code}\` \\| `, "m"));
  expect(textOf("errors.md").match(/^\| \d/gm)).toHaveLength(Object.keys(codes).length);
});

test("a table's cells hold no bare bar", () => {
  for (const line of textOf("settings.md")
    .split("\n")
    .filter((line) => line.startsWith("| `")))
    expect(line.match(/(?<!\\)\|/g)).toHaveLength(4);
});

test("the OpenAPI document is JSON and repeats exactly", () => {
  expect(JSON.parse(textOf("openapi.json"))).toHaveProperty("openapi", "3.1.0");
  expect(makeDocuments()).toEqual(makeDocuments());
});
