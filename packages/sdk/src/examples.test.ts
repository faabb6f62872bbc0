import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FakeLegate, keyOf } from "./testing/fake-legate.ts";

const run = promisify(execFile);
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const compiler = here("../../../node_modules/typescript/bin/tsc");

const codeBlocks = (document: string) => [...document.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1] ?? "");
const commentBlocks = (source: string) =>
  [...source.matchAll(/^ \* ```ts\n(.*?)^ \* ```$/gms)].map((match) => (match[1] ?? "").replace(/^ \* ?/gm, ""));

let folder: string;
let fake: FakeLegate;
let blocks: string[];
beforeAll(async () => {
  await mkdir(here("../dist"), { recursive: true });
  folder = await mkdtemp(here("../dist/examples-"));
  fake = await FakeLegate.start();
  const readme = await readFile(here("../README.md"), "utf8");
  blocks = codeBlocks(readme);
});
afterAll(async () => {
  await fake.stop();
  await rm(folder, { recursive: true });
});

/** Compiles with the workspace's own rules, from sources alone: nothing needs to have been built. */
const compile = async (name: string, code: readonly string[], sources: readonly string[] = []) => {
  const root = join(folder, name);
  await mkdir(root);
  const files = [...sources.map(here), ...code.map((_, index) => join(root, `block-${index}.ts`))];
  await Promise.all(code.map((text, index) => writeFile(join(root, `block-${index}.ts`), text)));
  const paths = {
    "@legate/sdk": [here("./index.ts")],
    "@legate/sdk/coze": [here("./coze/index.ts")],
    "@legate/contract": [here("../../contract/src/index.ts")],
  };
  const options = {
    composite: false,
    declaration: false,
    sourceMap: false,
    noEmitOnError: true,
    rootDir: here("../.."),
    outDir: join(root, "out"),
    paths,
  };
  await writeFile(
    join(root, "tsconfig.json"),
    JSON.stringify({ extends: here("../../../tsconfig.base.json"), compilerOptions: options, files }),
  );
  const { stdout, failed } = await run(process.execPath, [compiler, "-p", root], { timeout: 60_000 }).then(
    (done) => ({ ...done, failed: false }),
    (error: { stdout: string }) => ({ stdout: error.stdout, failed: true }),
  );
  return { out: join(root, "out"), stdout, failed };
};

describe("the examples", { timeout: 90_000 }, () => {
  it("of the README and of the exports' comments compile, as do the type tests", async () => {
    const sources = await Promise.all(["client", "wrappers", "callback"].map((name) => readFile(here(`./${name}.ts`), "utf8")));
    const comments = sources.flatMap(commentBlocks);
    expect([blocks.length, comments.length]).toEqual([5, 3]);
    expect(await compile("readme", [...blocks, ...comments], ["./types.test.ts"])).toMatchObject({ stdout: "", failed: false });
  });

  it("of the Coze client and its guide compile", async () => {
    const guide = codeBlocks(await readFile(here("../../../docs/guides/coze.md"), "utf8"));
    const sources = await Promise.all(["client", "load-project-env"].map((name) => readFile(here(`./coze/${name}.ts`), "utf8")));
    const comments = sources.flatMap(commentBlocks);
    expect([guide.length, comments.length]).toEqual([5, 2]);
    expect(await compile("coze", [...guide, ...comments])).toMatchObject({ stdout: "", failed: false });
  });

  it("would not compile if they were wrong", async () => {
    const wrong = (blocks[0] ?? "").replace("repositories({ page: 1 })", "repositories()");
    expect(wrong).not.toBe(blocks[0]);
    expect(await compile("wrong", [wrong])).toMatchObject({
      failed: true,
      stdout: expect.stringContaining("Expected 1 arguments, but got 0"),
    });
  });

  it("of decorators compile and run as the language has them", async () => {
    const { out, stdout } = await compile("decorated", [], ["./decorated.example.ts"]);
    expect(stdout).toBe("");
    const contract = join(out, "node_modules/@legate/contract");
    await mkdir(contract, { recursive: true });
    await writeFile(join(contract, "package.json"), '{"type":"module","exports":"./index.js"}');
    await writeFile(join(contract, "index.js"), 'export * from "../../../contract/src/index.js";');
    await writeFile(join(out, "package.json"), '{"type":"module"}');
    const env = { PATH: process.env.PATH, LEGATE_URL: fake.url, LEGATE_AGENT_KEY: keyOf("mail") };
    const { stdout: said } = await run(process.execPath, [join(out, "sdk/src/decorated.example.js")], { env, timeout: 30_000 });
    expect(said).toBe("inbox hello key-of-search-for-mail mail/alice/github\nalice\n");
  });
});
