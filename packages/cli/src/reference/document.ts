import type { Command, Option } from "../command.ts";
import { commands, groups } from "../commands/index.ts";
import { exitCodes } from "../failure.ts";
import { globalOptions } from "../program.ts";

/** In a table's cell a bar would begin the next one. */
const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => "---"), ...rows.map((row) => row.map(cell))].map((row) => `| ${row.join(" | ")} |`).join("\n");

const written = ({ flag, short, value, negates }: Option): string =>
  `\`${short === undefined ? "" : `-${short}, `}--${flag}${value === undefined ? "" : ` <${value}>`}\`${negates ? `, \`--no-${flag}\`` : ""}`;

const told = ({ description, choices, repeats, required }: Option): string =>
  `${description}${choices && !repeats ? ` One of ${choices.map((choice) => `\`${choice}\``).join(", ")}.` : ""}${required ? " **Required.**" : ""}`;

const optionsTable = (options: readonly Option[]): string =>
  table(
    ["Option", "Meaning"],
    options.map((option) => [written(option), told(option)]),
  );

const usage = ({ path, arguments: words = [] }: Command): string =>
  ["legate", ...path, ...words.map(({ name, optional, rest }) => (optional ? `[${name}]` : rest ? `-- <${name}...>` : `<${name}>`))].join(
    " ",
  );

const section = (command: Command): string => {
  const { path, summary, about, arguments: words = [], options = [], examples } = command;
  return [
    `### ${path.join(" ")}`,
    `\`${usage(command)}\``,
    `${summary}.${about === undefined ? "" : ` ${about.replaceAll("\n", " ")}`}`,
    ...(words.length > 0
      ? [
          table(
            ["Word", "Meaning"],
            words.map(({ name, description }) => [`\`${name}\``, description]),
          ),
        ]
      : []),
    ...(options.length > 0 ? [optionsTable(options)] : []),
    `\`\`\`sh\n${examples.join("\n")}\n\`\`\``,
  ].join("\n\n");
};

/** The commands of a group, those of groups below it left to them; without a group, those that stand alone. */
const commandsIn = (path: readonly string[]): readonly Command[] =>
  commands.filter((command) => command.path.slice(0, -1).join(" ") === path.join(" "));

/** The reference of the command line, made from the descriptions that the program itself is made from. */
export const makeReference = (): string =>
  `${[
    "# The command line",
    "Made from the program itself; [the guide](../guides/cli.md) goes by task. `legate <command> --help` says the same.",
    "Every command takes these:",
    optionsTable(globalOptions),
    `## Exit codes

Scripts decide by these, and by \`error.code\` on standard error where \`--json\` is given. They do not change.`,
    table(
      ["Code", "Meaning"],
      Object.values(exitCodes).map(([code, meaning]) => [String(code), meaning]),
    ),
    `## Output

Answers go to standard output, everything else to standard error. On a terminal lists are tables, in which names and ids are never cut; elsewhere they are
lines with a tab between cells, whole and without a title. With \`--json\` a list is \`{ "items": [...], "nextCursor"? }\`, everything else the thing as the server
answers it ([OpenAPI](openapi.json)), and a failure is \`{ "error": { "exitCode", "code", "message", "requestId"?, "details"?, "hint"? } }\` on one line; before it
each warning and note is a line too, \`{ "warning" }\` and \`{ "note" }\`.
\`--dry-run\` answers \`{ "dryRun": true, "requests": [...] }\`. Fields may be added; none goes or changes its meaning.`,
    "## Commands",
    ...commandsIn([]).map(section),
    ...groups.flatMap(({ path, summary }) => [`## ${path.join(" ")}`, `${summary}.`, ...commandsIn(path).map(section)]),
  ].join("\n\n")}\n`;
