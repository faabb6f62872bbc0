import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^@legate\/contract$/, replacement: source("./packages/contract/src/index.ts") },
      { find: /^@legate\/server$/, replacement: source("./packages/server/src/index.ts") },
      { find: /^@legate\/sdk$/, replacement: source("./packages/sdk/src/index.ts") },
      { find: /^@legate\/sdk\/(alibaba|coze)$/, replacement: source("./packages/sdk/src/$1/index.ts") },
    ],
  },
  test: {
    include: ["packages/*/src/**/*.test.ts", "tests/**/*.test.ts", "examples/src/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    globalSetup: ["./tests/setup/global.ts"],
  },
});
