/** Every command there is, and the groups they stand in. */
import type { Command, Group } from "../command.ts";
import { commandsOf } from "../describe-operation.ts";
import { doctorCommand } from "../doctor/index.ts";
import { auditCommands } from "./audit.ts";
import { completionCommand } from "./completion.ts";
import { loginCommands } from "./login.ts";
import { nouns } from "./nouns/index.ts";
import { tokenCommand } from "./token.ts";
import { variableCommands } from "./variables.ts";
import { workloadCommands } from "./workloads.ts";

export const groups: readonly Group[] = [
  { path: ["profiles"], summary: "Stored servers and keys" },
  ...nouns.map(({ path, summary }) => ({ path, summary })),
  { path: ["audit"], summary: "What happened" },
];

const withoutCompletion: readonly Command[] = [
  ...loginCommands,
  ...nouns.flatMap(commandsOf),
  ...variableCommands,
  tokenCommand,
  ...auditCommands,
  ...workloadCommands,
  doctorCommand,
];

export const commands: readonly Command[] = [...withoutCompletion, completionCommand(withoutCompletion, groups)];
