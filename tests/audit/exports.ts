import { openHouse } from "../../packages/server/src/compose.ts";
import type { StoreAddress } from "../../packages/server/src/ground/db/index.ts";
import type { Clock } from "../../packages/server/src/ground/kernel/index.ts";
import { adminOf } from "../../packages/server/src/testing/stores.ts";
import { type Report, type Standing, verifyExport } from "../../scripts/audit-verify.mjs";

export const acme = adminOf("default");

/** A whole house whose events are all sealed only when a test says so. */
export const openAuditedHouse = (store: StoreAddress, clock: Clock, auditRetentionDays?: number) =>
  openHouse(
    {
      store,
      masterKey: Buffer.alloc(32, 7),
      publicUrl: "http://127.0.0.1:8700",
      secureCookies: false,
      egressAllow: [],
      adminKey: "op_test_admin_key_0123456789abcdef",
      auditRetentionDays,
    },
    { clock },
  );
export type AuditedHouse = Awaited<ReturnType<typeof openAuditedHouse>>;

/** Lines of an export, each without its newline. */
export const exported = async ({ chain }: AuditedHouse, ask: Parameters<AuditedHouse["chain"]["export"]>[1] = {}): Promise<string[]> => {
  let text = "";
  for await (const piece of chain.export("default", ask)) text += piece;
  return text.split("\n").slice(0, -1);
};

export const bytesOf = (lines: readonly string[]): Buffer => Buffer.from(lines.map((line) => `${line}\n`).join(""));

export const check = (lines: readonly string[] | Buffer, since?: Standing): Promise<Report> =>
  verifyExport([Buffer.isBuffer(lines) ? lines : bytesOf(lines)], { since });

/** Records events in blocks of the sizes given. */
export const recordBlocks = async ({ audit, chain }: AuditedHouse, sizes: readonly number[], forward: () => void): Promise<void> => {
  for (const [block, size] of sizes.entries()) {
    for (let n = 0; n < size; n += 1) {
      await audit.note(acme, "thing.happened", {
        target: `thing-${block}-${n}`,
        details: { n, text: 'ä \u2028 "quoted"', deep: { b: [1, null], a: true } },
      });
      forward();
    }
    await chain.seal("default");
  }
};

export const typeOf = (line: string): string => String((JSON.parse(line) as { type: unknown }).type);

/** Where the lines of one type stand. */
export const placesOf = (lines: readonly string[], type: string): number[] =>
  lines.flatMap((line, at) => (typeOf(line) === type ? [at] : []));

/** The problems, short: block, event, what is said. */
export const faultsOf = ({ faults }: Report): string[] => faults.map(({ block, event, what }) => `${block ?? "-"} ${event ?? "-"} ${what}`);
