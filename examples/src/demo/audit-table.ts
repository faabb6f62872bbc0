import type { AuditEvent, LegateClient } from "@legate/sdk";

const columnsOf = (rows: readonly (readonly string[])[]): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd();
  return rows.map(line).join("\n");
};

/** Rows that say the same but for the time become one, with how many they were. */
const folded = (rows: readonly (readonly string[])[]): readonly (readonly string[])[] => {
  const runs: { row: readonly string[]; same: string; count: number }[] = [];
  for (const row of rows) {
    const same = JSON.stringify(row.slice(1));
    const last = runs.at(-1);
    if (last?.same === same) last.count += 1;
    else runs.push({ row, same, count: 1 });
  }
  return runs.map(({ row, count }) => (count === 1 ? row : row.map((cell, column) => (column === 2 ? `${cell} (${count} times)` : cell))));
};

/** What happened, oldest first, with names in place of ids. */
export const auditTable = async (admin: LegateClient): Promise<string> => {
  const names = new Map<string, string>();
  for await (const agent of admin.agents.all()) names.set(agent.id, agent.name);
  for await (const user of admin.users.all()) names.set(user.id, user.subject);
  for await (const provider of admin.providers.all()) names.set(provider.id, provider.name);
  for await (const issuer of admin.issuers.all()) names.set(issuer.id, issuer.name);
  const named = (id: string | undefined) => (id === undefined ? "" : (names.get(id) ?? `${id.slice(0, 12)}...`));

  const events: AuditEvent[] = [];
  for await (const event of admin.auditEvents.all({ limit: 500 })) events.unshift(event);
  const header = ["time", "who asked", "what happened", "outcome", "agent", "user", "of what"];
  const rows = events.map(({ at, caller, action, outcome, agent, user, target }) => [
    at.slice(11, 23),
    caller.kind,
    action,
    outcome,
    named(agent),
    named(user),
    named(target),
  ]);
  return columnsOf([header, header.map((cell) => "-".repeat(cell.length)), ...folded(rows)]);
};
