import { Command as Commander, CommanderError, Option as CommanderOption } from "commander";
import type { Command, Context, Group, Option, Typed } from "./command.ts";
import { CommandFailure, exitCodes, failureOf, misused } from "./failure.ts";
import { makeOutput } from "./output/index.ts";
import { clientOf, type Globals, openSession, type Session } from "./session.ts";
import type { World } from "./world.ts";

/** The options that every command takes. */
export const globalOptions: readonly Option[] = [
  { flag: "endpoint", value: "url", description: "The server's address; else LEGATE_URL, else the profile's." },
  { flag: "profile", value: "name", description: "The stored profile that is used; else LEGATE_PROFILE, else the current one." },
  { flag: "json", description: "Answer in JSON, and tell failures in JSON." },
  { flag: "no-color", description: "No colours. There are none either where the output is no terminal, or NO_COLOR is set." },
  { flag: "timeout", value: "seconds", description: "How long one call may take; 60 unless said." },
];

const camel = (flag: string): string => flag.replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

const collect = (value: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), value];

const addOption = (to: Commander, { flag, short, description, value, choices, repeats, negates, required }: Option): void => {
  const flags = `${short === undefined ? "" : `-${short}, `}--${flag}${value === undefined ? "" : ` <${value}>`}`;
  const option = new CommanderOption(flags, description);
  if (choices && !repeats) option.choices(choices);
  if (repeats) option.argParser(collect);
  if (required) option.makeOptionMandatory();
  to.addOption(option);
  if (negates) to.addOption(new CommanderOption(`--no-${flag}`, `The opposite of --${flag}.`));
};

/** What commander read, by the names of the description. */
const typedOf = (command: Command, words: readonly unknown[], options: Readonly<Record<string, unknown>>): Typed => {
  const named: Record<string, string | undefined> = {};
  let rest: readonly string[] = [];
  for (const [at, argument] of (command.arguments ?? []).entries()) {
    const word = words[at];
    if (argument.rest) rest = Array.isArray(word) ? (word as readonly string[]) : [];
    else named[argument.name] = typeof word === "string" ? word : undefined;
  }
  const values: Record<string, Typed["options"][string]> = {};
  for (const { flag, choices, repeats } of command.options ?? []) {
    const value = options[camel(flag)] as Typed["options"][string];
    values[flag] = value;
    if (!repeats || !choices || !Array.isArray(value)) continue;
    for (const one of value as readonly string[])
      if (!choices.includes(one)) throw misused(`--${flag} must be one of ${choices.join(", ")}.`);
  }
  return { words: named, rest, options: values };
};

const globalsOf = (options: Readonly<Record<string, unknown>>): Globals => {
  const { endpoint, profile, json, color, timeout } = options;
  const seconds = typeof timeout === "string" ? Number(timeout) : 60;
  if (!Number.isFinite(seconds) || seconds <= 0 || seconds > 86_400) throw misused("--timeout must be a number of seconds, at most a day.");
  return {
    ...(typeof endpoint === "string" && { endpoint }),
    ...(typeof profile === "string" && { profile }),
    json: json === true,
    color: color !== false,
    timeoutMs: Math.max(1, Math.round(seconds * 1000)),
  };
};

/** What to do about a failure, where that can be said. */
const hintFor = (error: unknown, ending: string): string | undefined =>
  // One that we found ourselves says what to do.
  ending === "unauthenticated" && !(error instanceof CommandFailure)
    ? "`legate whoami` tells which key is used; `legate login` stores another."
    : ending === "unreachable"
      ? "`legate doctor` looks for the reason."
      : undefined;

/** The words as they are read: `help agents create` is `agents create --help`. @throws CommandFailure where there is no such command */
const lineOf = (commands: readonly Command[], words: readonly string[]): string[] => {
  const [first, ...named] = words;
  if (first !== "help" || named.length === 0 || named.some((word) => word.startsWith("-"))) return [...words];
  if (!commands.some(({ path }) => named.every((word, at) => path[at] === word))) throw misused(`There is no command ${named.join(" ")}.`);
  return [...named, "--help"];
};

/** What the program is made of. */
export interface Parts {
  readonly version: string;
  readonly groups: readonly Group[];
  readonly commands: readonly Command[];
}

const examplesText = ({ examples, about }: Command): string =>
  `${about === undefined ? "" : `\n${about}\n`}\n${examples.length > 1 ? "Examples" : "Example"}:\n${examples.map((line) => `  ${line}\n`).join("")}`;

const argumentText = ({ name, optional, rest }: { name: string; optional?: boolean; rest?: boolean }): string => {
  const word = rest ? `${name}...` : name;
  return optional ? `[${word}]` : `<${word}>`;
};

/** Whether the words ask for JSON: failures to read the rest are then told in JSON too. */
const wantsJson = (words: readonly string[]): boolean => {
  const end = words.indexOf("--");
  return (end === -1 ? words : words.slice(0, end)).includes("--json");
};

/**
 * Runs one command line and answers what the process should end with.
 * @param words The words after the program's name
 */
export const runProgram = async ({ version, groups, commands }: Parts, world: World, words: readonly string[]): Promise<number> => {
  const early = () =>
    makeOutput({
      stdout: world.stdout,
      stderr: world.stderr,
      json: wantsJson(words),
      noColor: world.env.noColor || words.includes("--no-color"),
    });
  let ending: number = exitCodes.ok[0];

  const fail = (error: unknown): number => {
    // Whoever read the answer has heard enough.
    if ((error as { code?: unknown } | null)?.code === "EPIPE") return exitCodes.ok[0];
    const failure = failureOf(error);
    early().fail(failure, hintFor(error, failure.ending));
    return failure.exitCode;
  };

  const program = new Commander("legate");
  program
    .description("The command line of Legate, the identity and credential server for AI agents.")
    .version(version, "-V, --version", "Show the version.")
    .helpOption("-h, --help", "Show help.")
    .helpCommand("help [command]", "Show help for a command.")
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void world.stdout.write(text),
      writeErr: (text) => {
        if (!wantsJson(words)) world.stderr.write(text);
      },
      getOutHelpWidth: () => world.stdout.columns || 100,
      getErrHelpWidth: () => world.stderr.columns || 100,
      getOutHasColors: () => world.stdout.isTTY === true && !world.env.noColor,
      getErrHasColors: () => world.stderr.isTTY === true && !world.env.noColor,
    });
  for (const option of globalOptions) addOption(program, option);

  const places = new Map<string, Commander>([["", program]]);
  const placeOf = (path: readonly string[]): Commander => {
    const key = path.join(" ");
    const known = places.get(key);
    if (known) return known;
    const group = groups.find((each) => each.path.join(" ") === key);
    const made = placeOf(path.slice(0, -1))
      .command(path.at(-1) ?? "")
      .description(group ? `${group.summary}.` : "");
    places.set(key, made);
    return made;
  };

  const act = async (command: Command, args: readonly unknown[]): Promise<void> => {
    const commander = args.at(-1) as Commander;
    const options: Readonly<Record<string, unknown>> = commander.optsWithGlobals();
    const globals = globalsOf(options);
    const noColor = world.env.noColor || !globals.color;
    const out = makeOutput({ stdout: world.stdout, stderr: world.stderr, json: globals.json, noColor });
    let session: Session | undefined;
    const context: Context = {
      world,
      globals,
      out,
      session: () => (session ??= openSession(world, globals, out.warn)),
      client: () => clientOf(world, globals, context.session()),
    };
    ending = (await command.act(context, typedOf(command, args, options))) ?? exitCodes.ok[0];
  };

  for (const command of commands) {
    const made = placeOf(command.path.slice(0, -1))
      .command(command.path.at(-1) ?? "")
      .description(`${command.summary}.`)
      .addHelpText("after", examplesText(command));
    for (const argument of command.arguments ?? []) made.argument(argumentText(argument), argument.description);
    for (const option of command.options ?? []) addOption(made, option);
    made.action((...args: unknown[]) => act(command, args));
  }

  try {
    await program.parseAsync(lineOf(commands, words), { from: "user" });
    return ending;
  } catch (error) {
    if (!(error instanceof CommanderError)) return fail(error);
    // Help and version are answers; a group without a command is not.
    if (error.exitCode === 0) return exitCodes.ok[0];
    const wrong = error.code === "commander.help" ? "Say which command: see --help." : error.message.replace(/^error: /, "");
    if (wantsJson(words)) early().fail(failureOf(misused(wrong)));
    return exitCodes.usage[0];
  }
};
