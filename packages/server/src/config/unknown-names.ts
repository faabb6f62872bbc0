import { settings } from "./settings.ts";

const known: readonly string[] = Object.values(settings).map(({ name }) => name);

/** Settings of the SDK and of the command line, which often share an environment with the server in development. */
const ofTheSdk = ["LEGATE_URL", "LEGATE_AGENT", "LEGATE_AGENT_KEY", "LEGATE_OPERATOR_KEY", "LEGATE_WORKLOAD_TOKEN", "LEGATE_PROFILE"];

/** How many letters must be added, taken away, changed or swapped to turn one text into the other. */
const distance = (from: string, to: string): number => {
  let before: number[] = [];
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const same = from[i - 1] === to[j - 1];
      const options = [(row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (same ? 0 : 1)];
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) options.push((before[j - 2] ?? 0) + 1);
      next.push(Math.min(...options));
    }
    before = row;
    row = next;
  }
  return row[to.length] ?? 0;
};

const nearest = (name: string): string | undefined => {
  const [best] = known.map((candidate) => ({ candidate, far: distance(name, candidate) })).sort((a, b) => a.far - b.far);
  return best && best.far <= 3 ? best.candidate : undefined;
};

/** A sentence for each variable that looks like a setting of ours and is none; values are never shown. `LEGATE_TEST_*` belongs to tests. */
export const unknownNames = (env: Readonly<Record<string, string | undefined>>): readonly string[] =>
  Object.keys(env)
    .filter((name) => /^LEGATE_/i.test(name) && !name.startsWith("LEGATE_TEST_") && !known.includes(name) && !ofTheSdk.includes(name))
    .sort()
    .map((name) => {
      const meant = nearest(name.toUpperCase());
      return `${name} is no setting of Legate and has no effect.${meant === undefined ? "" : ` Did you mean ${meant}?`}`;
    });
