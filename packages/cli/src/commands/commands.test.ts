import { operations } from "@legate/contract";
import { describe, expect, test } from "vitest";
import { globalOptions } from "../program.ts";
import { runHere } from "../world-for-tests.ts";
import { commands, groups } from "./index.ts";
import { nouns } from "./nouns/index.ts";

const named = commands.map((command) => [command.path.join(" "), command] as const);

/** Asked by agents for credentials, with a workload token in hand: no work for a person at a shell. */
const notForPeople = ["getApiKey", "getOauth2Token", "getStsCredential", "completeAuthorization"];
/** Asked by commands that are written by hand. */
const byHand = ["whoami", "createWorkloadToken", "readVariables", "listAuditEvents", "exportAuditEvents"];

describe("the commands", () => {
  test("reach every operation of the contract", () => {
    const reached = nouns.flatMap(({ verbs }) => Object.values(verbs).map(({ operation }) => operation.id));
    const wanted = Object.values(operations)
      .map(({ id }) => id as string)
      .filter((id) => !notForPeople.includes(id) && !byHand.includes(id));
    // Of connections, users and the like what would end is asked under their own noun.
    expect([...new Set(reached)].sort()).toEqual(wanted.sort());
  });

  test("are each called in one way, and stand in a group that says what it is about", () => {
    expect(new Set(named.map(([name]) => name)).size).toBe(named.length);
    const known = new Set(groups.map(({ path }) => path.join(" ")));
    for (const { path } of commands) if (path.length > 1) expect(known, path.join(" ")).toContain(path.slice(0, -1).join(" "));
  });

  test.each(named)("%s has an example that it can read, a summary, and options of its own", async (name, command) => {
    expect(command.examples.length).toBeGreaterThan(0);
    expect(command.examples.some((line) => line.includes(`legate ${name}`))).toBe(true);
    expect(command.summary).toMatch(/^[A-Z].*[^.]$/);
    const flags = (command.options ?? []).flatMap(({ flag, negates }) => [flag, ...(negates ? [`no-${flag}`] : [])]);
    expect(new Set(flags).size).toBe(flags.length);
    for (const { flag } of globalOptions) expect(flags).not.toContain(flag);
    for (const { flag, description } of command.options ?? []) expect(`${flag}: ${description}`).toMatch(/: [A-Z`].*\.$/s);
    const { code, stdout } = await runHere([...command.path, "--help"]);
    expect([code, stdout]).toEqual([0, expect.stringContaining("Example")]);
    expect(stdout).toContain("--json");
  });

  test.each(named.filter(([, { changes }]) => changes))("%s shows with --dry-run what it would do", (_, { options = [] }) => {
    expect(options.map(({ flag }) => flag)).toContain("dry-run");
  });

  test.each(named.filter(([, { path }]) => path.at(-1) === "create"))("%s may be run again", (_, { options = [] }) => {
    const flags = options.map(({ flag }) => flag);
    // A client key is its own name; the rest says what to do where there is one.
    expect(flags.includes("if-not-exists") || flags.includes("if-none") || flags.includes("jwk-file")).toBe(true);
  });

  test("take no secret as an argument, where the list of processes would show it", () => {
    const secrets = /secret|api-key|credential$|^value|token$|^text$/;
    const shown = named.flatMap(([name, { options = [] }]) =>
      options
        .filter(({ flag, value }) => value !== undefined && secrets.test(flag) && !/-(file|env)$/.test(flag))
        .map(({ flag }) => `${name} --${flag}`),
    );
    expect(shown).toEqual([]);
  });
});
