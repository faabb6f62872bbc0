import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { codeBlocks, commentBlocks, openCompiler } from "./testing/compiled.ts";
import { FakeLegate, keyOf } from "./testing/fake-legate.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

let compiler: Awaited<ReturnType<typeof openCompiler>>;
let fake: FakeLegate;
let blocks: string[];
beforeAll(async () => {
  compiler = await openCompiler();
  fake = await FakeLegate.start();
  blocks = codeBlocks(await readFile(here("../README.md"), "utf8"));
});
afterAll(async () => {
  await fake.stop();
  await compiler.close();
});

describe("the examples", { timeout: 90_000 }, () => {
  it("of the README and of the exports' comments compile, as do the type tests", async () => {
    const sources = await Promise.all(["client", "wrappers", "callback"].map((name) => readFile(here(`./${name}.ts`), "utf8")));
    const comments = sources.flatMap(commentBlocks);
    expect([blocks.length, comments.length]).toEqual([5, 3]);
    expect(await compiler.compile("readme", [...blocks, ...comments], ["types.test.ts"])).toMatchObject({ stdout: "", failed: false });
  });

  it("of the Coze client and its guide compile", async () => {
    const guide = codeBlocks(await readFile(here("../../../docs/guides/coze.md"), "utf8"));
    const sources = await Promise.all(["client", "load-project-env"].map((name) => readFile(here(`./coze/${name}.ts`), "utf8")));
    const comments = sources.flatMap(commentBlocks);
    expect([guide.length, comments.length]).toEqual([5, 2]);
    expect(await compiler.compile("coze", [...guide, ...comments])).toMatchObject({ stdout: "", failed: false });
  });

  it("would not compile if they were wrong", async () => {
    const wrong = (blocks[0] ?? "").replace("repositories({ page: 1 })", "repositories()");
    expect(wrong).not.toBe(blocks[0]);
    expect(await compiler.compile("wrong", [wrong])).toMatchObject({
      failed: true,
      stdout: expect.stringContaining("Expected 1 arguments, but got 0"),
    });
  });

  it("of decorators compile and run as the language has them", async () => {
    const { run, stdout } = await compiler.compile("decorated", [], ["decorated.example.ts"]);
    expect(stdout).toBe("");
    const env = { LEGATE_URL: fake.url, LEGATE_AGENT_KEY: keyOf("mail") };
    const { stdout: said } = await run("sdk/src/decorated.example.js", env);
    expect(said).toBe("inbox hello key-of-search-for-mail mail/alice/github\nalice\n");
  });
});
