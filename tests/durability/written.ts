import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { adminKey } from "../replicas/server-process.ts";

/** Every item of a list, page by page. */
export const everyItem = async <T>(url: string, path: string): Promise<readonly T[]> => {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const answer = await fetch(`${url}${path}?limit=500${cursor === undefined ? "" : `&cursor=${cursor}`}`, {
      headers: { authorization: `Bearer ${adminKey}` },
    });
    const page = (await answer.json()) as { items: T[]; nextCursor?: string };
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return items;
};

/** Exports the audit and has it verified by the tool that stands by itself. @throws with what the tool said, where the chain does not hold */
export const verifyAudit = async (url: string): Promise<void> => {
  const answer = await fetch(`${url}/v1/audit-events/export`, { headers: { authorization: `Bearer ${adminKey}` } });
  const folder = mkdtempSync(join(tmpdir(), "legate-audit-"));
  try {
    const file = join(folder, "audit.jsonl");
    writeFileSync(file, Buffer.from(await answer.arrayBuffer()));
    const { status, stdout, stderr } = spawnSync(process.execPath, ["scripts/audit-verify.mjs", file], { encoding: "utf8" });
    if (status !== 0) throw new Error(`The audit does not verify:\n${stdout}${stderr}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
};
