import { closeSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs";
import { setProjectEnv } from "@legate/sdk/coze";
import { type Command, type Context, isOn, textOf, textsOf, type Typed } from "../command.ts";
import { writeDotenv } from "../dotenv.ts";
import { CommandFailure, exitCodes, failureOf, misused, systemCode } from "../failure.ts";
import { actingOptions, workloadToken } from "./token.ts";

const laneOption = { flag: "lane", value: "name", description: "The lane whose variables are read; the default set unless said." } as const;

const readOptions = [laneOption, ...actingOptions] as const;

/** How many agents are looked through for the one of a project. */
const mostAgents = 5_000;

/** The only agent of a project, where an operator names none. @throws CommandFailure where there is none, or a choice */
const onlyAgentOf = async ({ client }: Context, project: string): Promise<string> => {
  const found: string[] = [];
  let looked = 0;
  for await (const agent of client().agents.all({ limit: 500 })) {
    looked += 1;
    if (agent.project === project && agent.status === "active") found.push(agent.name);
    if (found.length > 1 || looked >= mostAgents) break;
  }
  const [only, other] = found;
  if (other !== undefined)
    throw new CommandFailure("conflict", `Several agents belong to ${project}: say which one reads, by --agent NAME.`);
  if (only === undefined)
    throw new CommandFailure("not_found", `No active agent of ${project} was found: say which one reads, by --agent NAME.`);
  return only;
};

/** The variables of a project, as its agent reads them. */
const readVariables = async (context: Context, typed: Typed, project: string) => {
  const isNamed = textOf(typed, "agent") !== undefined || context.session().agentKey !== undefined;
  const options = isNamed ? typed.options : { ...typed.options, agent: await onlyAgentOf(context, project) };
  const { token, agent } = await workloadToken(context, { ...typed, options });
  const lane = textOf(typed, "lane");
  const read = await context.client().credentials.variables({ project, ...(lane !== undefined && { lane }) }, { bearer: token });
  return { ...read, agent };
};

const exportCommand: Command = {
  path: ["projects", "variables", "export"],
  summary: "Write a project's variables as a .env file, with their values, as one of its agents reads them",
  arguments: [{ name: "project", description: "The project's name." }],
  options: [
    ...readOptions,
    { flag: "show", description: "Write the values to standard output." },
    { flag: "output", value: "path", file: true, description: "Write them to this new file, which only you can read." },
  ],
  examples: [
    "legate projects variables export shop --agent shop-agent --output .env",
    "legate projects variables export shop --agent shop-agent --lane staging --show",
  ],
  act: async (context, typed) => {
    const { out } = context;
    const path = textOf(typed, "output");
    if ((path === undefined) === !isOn(typed, "show"))
      throw misused("Values are secrets: say --show for standard output, or --output PATH.");
    const project = typed.words["project"] ?? "";
    const read = await readVariables(context, typed, project);
    if (path === undefined) {
      out.warn("What follows holds secrets.");
      return out.json ? out.document(read) : out.raw(writeDotenv(read.variables));
    }
    let file: number;
    try {
      file = openSync(path, "wx", 0o600);
    } catch (error) {
      throw misused(`${path} is there already, or cannot be written (${systemCode(error)}).`);
    }
    try {
      writeSync(file, writeDotenv(read.variables));
      fsyncSync(file);
    } catch (error) {
      rmSync(path, { force: true });
      throw new CommandFailure("failed", `${path} cannot be written (${systemCode(error)}).`);
    } finally {
      closeSync(file);
    }
    return out.thing({
      project: read.project,
      ...(read.lane !== undefined && { lane: read.lane }),
      file: path,
      variables: read.variables.length,
    });
  },
};

/** The number a process ends with that was ended by a signal, as shells count it. */
const signalNumbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
};

const operatorKeyName = "LEGATE_OPERATOR_KEY";

const run: Command = {
  path: ["run"],
  summary: "Start a command with a project's variables in its environment",
  about:
    "With an operator's key the agent is the project's only one, unless --agent names it. What stands in the environment already stays, unless\n--override is given. A variable that steers the process (NODE_OPTIONS, LD_*, LEGATE_* and others) is refused, and then nothing is started,\nunless --allow names it; LEGATE_OPERATOR_KEY is not handed on, unless --allow names it. Signals are passed on, and the command's exit code is\npassed back. If the command was not started, the exit code is 125, or 2 where the line itself is wrong.",
  arguments: [{ name: "command", description: "The command and its words, after `--`.", rest: true }],
  options: [
    { flag: "project", value: "name", required: true, description: "The project; the agent must belong to it." },
    ...readOptions,
    { flag: "override", description: "Replace what stands in the environment already." },
    {
      flag: "allow",
      value: "name",
      repeats: true,
      description: "Set this variable although it steers the process, or hand it on. May be repeated.",
    },
  ],
  examples: ["legate run --project shop --agent shop-agent -- node server.js", "legate run --project shop --lane staging -- npm start"],
  act: async (context, typed) => {
    const { world, out } = context;
    const [command, ...args] = typed.rest;
    if (command === undefined || command === "") throw misused("Say what to start, after `--`.");
    const allow = textsOf(typed, "allow") ?? [];
    // A plain copy: on Windows the process's own tells no case apart.
    const env: Record<string, string | undefined> = { ...world.env.variables };
    // Who runs an agent does not thereby give it the key to everything.
    if (!allow.includes(operatorKeyName)) delete env[operatorKeyName];
    try {
      const { variables } = await readVariables(context, typed, textOf(typed, "project") ?? "");
      const set = setProjectEnv(
        variables.map(({ name, value }) => [name, value]),
        { into: env, override: isOn(typed, "override"), allow },
      );
      const kept = variables.map(({ name }) => name).filter((name) => !set.includes(name));
      if (kept.length > 0) out.warn(`The environment's own values stay: ${kept.join(", ")}.`);
    } catch (error) {
      const failure = failureOf(error);
      // Usage is ours to tell apart from what a command may end with.
      if (error instanceof CommandFailure && error.ending === "usage") throw error;
      out.fail({ ...failure, exitCode: exitCodes.run_failed[0] });
      return exitCodes.run_failed[0];
    }
    const ended = await world.start(command, args, env);
    if ("code" in ended) return ended.code;
    if ("signal" in ended) return 128 + (signalNumbers[ended.signal] ?? 0);
    const unknown = ended.failed === "ENOENT";
    const ending = unknown ? "command_unknown" : "not_executable";
    out.fail(
      failureOf(
        new CommandFailure(ending, unknown ? `There is no command ${command}.` : `${command} cannot be started (${ended.failed}).`),
      ),
    );
    return exitCodes[ending][0];
  },
};

/** Commands that read a project's variables. */
export const variableCommands: readonly Command[] = [exportCommand, run];
