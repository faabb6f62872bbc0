import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { readConfig } from "./config/index.ts";
import { SealBroken } from "./ground/seal/index.ts";
import { openServer } from "./server.ts";

const folders: string[] = [];
const folder = (): string => {
  const made = mkdtempSync(join(tmpdir(), "legate-server-"));
  folders.push(made);
  return join(made, "data");
};
afterEach(() => {
  for (const made of folders.splice(0)) rmSync(made, { recursive: true });
});

const open = (env: Record<string, string>, tell?: (text: string) => void) =>
  openServer(readConfig({ LEGATE_PORT: "0", LEGATE_LOG_LEVEL: "silent", ...env }), tell);

test("with port 0, every URL that it tells names the port it took", async () => {
  let greeting = "";
  const server = await open({ LEGATE_DATA_DIR: folder() }, (text) => {
    greeting = text;
  });
  try {
    const about = (await (await fetch(server.address)).json()) as { docs: string };
    expect(new URL(server.address).port).not.toBe("0");
    expect(about.docs).toBe(`${server.address}/docs`);
    expect(greeting).toContain(`curl ${server.address}/v1/agents`);
  } finally {
    await server.close();
  }
});

test("with port 0, a public URL that was given stays", async () => {
  const server = await open({ LEGATE_DATA_DIR: folder(), LEGATE_PUBLIC_URL: "https://id.example.com" });
  try {
    expect(await (await fetch(server.address)).json()).toMatchObject({ docs: "https://id.example.com/docs" });
  } finally {
    await server.close();
  }
});

test("a store whose key file is gone is not opened, and gets no other key", async () => {
  const dataDir = folder();
  await (await open({ LEGATE_DATA_DIR: dataDir })).close();
  rmSync(join(dataDir, "master.key"));
  const before = readdirSync(dataDir);
  await expect(open({ LEGATE_DATA_DIR: dataDir })).rejects.toThrow(SealBroken);
  await expect(open({ LEGATE_DATA_DIR: dataDir })).rejects.toThrow(/put .*master\.key back, or set LEGATE_MASTER_KEY/);
  expect(readdirSync(dataDir)).toEqual(before);
});
