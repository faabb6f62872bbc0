import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const compiler = here("../../../../node_modules/typescript/bin/tsc");
/** The packages that examples import, by the file in `packages` that is each one's door. */
const doors = {
  "@legate/sdk": "sdk/src/index",
  "@legate/sdk/alibaba": "sdk/src/alibaba/index",
  "@legate/sdk/coze": "sdk/src/coze/index",
  "@legate/contract": "contract/src/index",
};

/** The TypeScript blocks of a document, in the order in which they are read. */
export const codeBlocks = (document: string) => [...document.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1] ?? "");
/** The same of a source's comments. */
export const commentBlocks = (source: string) =>
  [...source.matchAll(/^ \* ```ts\n(.*?)^ \* ```$/gms)].map((match) => (match[1] ?? "").replace(/^ \* ?/gm, ""));

/** What became of compiling: what the compiler said, and how a file of it is run. */
export interface Compiled {
  readonly stdout: string;
  readonly failed: boolean;
  /** Runs a block by its number, or a source by its path from `packages`, with this environment and nothing else. */
  readonly run: (
    what: number | string,
    env: Readonly<Record<string, string>>,
  ) => Promise<{ readonly stdout: string; readonly stderr: string }>;
}

/** Compiles with the workspace's own rules, from sources alone: nothing needs to have been built. */
export const openCompiler = async () => {
  await mkdir(here("../../dist"), { recursive: true });
  const folder = await mkdtemp(here("../../dist/examples-"));

  const compile = async (name: string, code: readonly string[], sources: readonly string[] = []): Promise<Compiled> => {
    const root = join(folder, name);
    const out = join(root, "out");
    await mkdir(root);
    const files = [...sources.map((path) => here(`../${path}`)), ...code.map((_, index) => join(root, `block-${index}.ts`))];
    await Promise.all(code.map((text, index) => writeFile(join(root, `block-${index}.ts`), text)));
    const paths = Object.fromEntries(Object.entries(doors).map(([specifier, door]) => [specifier, [here(`../../../${door}.ts`)]]));
    const strictness = { composite: false, declaration: false, sourceMap: false, noEmitOnError: true };
    const compilerOptions = { ...strictness, rootDir: here("../../.."), outDir: out, paths };
    await writeFile(
      join(root, "tsconfig.json"),
      JSON.stringify({ extends: here("../../../../tsconfig.base.json"), compilerOptions, files }),
    );
    const { stdout, failed } = await run(process.execPath, [compiler, "-p", root], { timeout: 60_000 }).then(
      (done) => ({ ...done, failed: false }),
      (error: { stdout: string }) => ({ stdout: error.stdout, failed: true }),
    );
    if (!failed) {
      await writeFile(join(out, "package.json"), '{"type":"module"}');
      for (const own of ["@legate/sdk", "@legate/contract"]) {
        const exports = Object.entries(doors)
          .filter(([specifier]) => specifier === own || specifier.startsWith(`${own}/`))
          .map(([specifier, door]) => [`.${specifier.slice(own.length)}`, `./${door.split("/").at(-2)}-door.js`, door] as const);
        const at = join(out, "node_modules", own);
        await mkdir(at, { recursive: true });
        const map = Object.fromEntries(exports.map(([subpath, file]) => [subpath, file]));
        await writeFile(join(at, "package.json"), JSON.stringify({ type: "module", exports: map }));
        await Promise.all(exports.map(([, file, door]) => writeFile(join(at, file), `export * from "../../../${door}.js";`)));
      }
    }
    return {
      stdout,
      failed,
      run: (what, env) => {
        const file = typeof what === "string" ? what : `sdk/dist/${folder.split("/").at(-1)}/${name}/block-${what}.js`;
        return run(process.execPath, [join(out, file)], { env: { PATH: process.env.PATH, ...env }, timeout: 30_000, cwd: root });
      },
    };
  };
  return { compile, close: () => rm(folder, { recursive: true }) };
};
