import { VariableError } from "./errors.ts";
import { shortened } from "../secrecy.ts";

/**
 * Names by which an environment steers the process and its children, or says whom this client trusts with its secret. Any case counts: Windows knows no
 * difference.
 */
const steering =
  /^(?:(?:NODE_OPTIONS|NODE_TLS_REJECT_UNAUTHORIZED|NODE_EXTRA_CA_CERTS|NODE_REPL_EXTERNAL_MODULE|NODE_PATH)$|(?:LD|DYLD|COZE_WORKLOAD|COZE_OUTBOUND|LEGATE)_)/i;

/** A process takes an ill-formed text for another one, and ends it at a NUL, without a word. */
const cannotStand = (name: string, value: string): boolean =>
  name === "" || /[=\0]/.test(name) || value.includes("\0") || !name.isWellFormed() || !value.isWellFormed();

const listed = (names: readonly string[]): string => shortened([...new Set(names)].map((name) => JSON.stringify(name)).join(", "));

/**
 * Looks at variables from elsewhere before any of them is set.
 *
 * @throws VariableError that names those that no environment can hold, or else those that steer the process and are not in `allow`
 */
export const mustFit = (variables: Iterable<readonly [name: string, value: string]>, allow: readonly string[]): void => {
  const all = [...variables];
  const broken = all.filter(([name, value]) => cannotStand(name, value)).map(([name]) => name);
  if (broken.length > 0) throw new VariableError(`No variable was set, for these cannot stand in an environment: ${listed(broken)}`);
  const refused = all.map(([name]) => name).filter((name) => steering.test(name) && !allow.includes(name));
  if (refused.length > 0)
    throw new VariableError(`No variable was set, for these steer the process, and \`allow\` does not name them: ${listed(refused)}`);
};
