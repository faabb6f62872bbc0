import { LegateClient } from "@legate/sdk";
import { changeProfiles, defaultProfile, isProfileName, readProfiles } from "../config-file.ts";
import { type Command, type Context, dryRun, isOn, type Typed } from "../command.ts";
import { CommandFailure, misused } from "../failure.ts";
import { secretFrom, secretOptions } from "../secrets.ts";
import { endpointFrom, isAgentKey } from "../session.ts";

const guestsOf = ({ world }: Context) => ({ platform: world.platform, clock: world.clock, sleep: (ms: number) => world.sleep(ms) });

const profileNamed = (name: string): string => {
  if (!isProfileName(name)) throw misused("A profile's name is 1 to 64 of A-Z a-z 0-9 _ . -");
  return name;
};

/** Whether plain http to this address stays on this machine. */
export const isLoopback = (endpoint: string): boolean => /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(new URL(endpoint).hostname);

const storedProfiles = ({ world, out }: Context) => readProfiles(world.env.configFile, world.platform, out.warn);

const endpointOf = async (context: Context, stored: string | undefined): Promise<string> => {
  const { world, globals } = context;
  const given = globals.endpoint ?? world.env.url ?? stored;
  if (given !== undefined) return endpointFrom(given);
  if (world.stdin.isTTY !== true) throw misused("Say where the server is: --endpoint https://legate.example.com");
  const typed = await world.ask("Where is the server?", { initial: "http://127.0.0.1:8700" });
  if (typed === undefined) throw new CommandFailure("interrupted", "Nothing was typed.");
  return endpointFrom(typed);
};

const keyOf = async (context: Context, typed: Typed): Promise<string> => {
  const { operatorKey, agentKey } = context.world.env;
  const given = await secretFrom(context.world, typed, "key");
  const key = given ?? operatorKey ?? agentKey ?? (await secretFrom(context.world, typed, "key", "The key (it is not shown):"));
  if (key === undefined)
    throw misused(
      "Give the key by --key-file PATH (`-` is standard input) or --key-env NAME; it is never an argument, for others can see those.",
    );
  if (!/^[\x21-\x7e]{8,4096}$/.test(key)) throw misused("A key is printable ASCII without spaces.");
  return key;
};

const login: Command = {
  path: ["login"],
  summary: "Store where the server is and a key to it",
  about:
    "The key is an operator's or an agent's. It is tried before it is stored, in a file that only you can read, below $XDG_CONFIG_HOME/legate\n(%APPDATA%\\legate on Windows). Each profile holds one server and one key; the one stored last is used where none is named.",
  options: [
    ...secretOptions("key", "The key"),
    { flag: "unverified", description: "Store the key without asking the server whose it is." },
    dryRun,
  ],
  examples: [
    "legate login --endpoint https://legate.example.com",
    "vault read -field=key legate | legate login --endpoint https://legate.example.com --key-file -",
    "legate login --profile staging --endpoint https://staging.example.com --key-env STAGING_KEY",
  ],
  changes: true,
  act: async (context, typed) => {
    const { world, globals, out } = context;
    const profile = profileNamed(globals.profile ?? world.env.profile ?? defaultProfile);
    const stored = storedProfiles(context).profiles;
    const endpoint = await endpointOf(context, Object.hasOwn(stored, profile) ? stored[profile]?.endpoint : undefined);
    const facts = { profile, endpoint, file: world.env.configFile };
    if (isOn(typed, "dry-run")) return out.thing({ dryRun: true, ...facts });
    if (endpoint.startsWith("http:") && !isLoopback(endpoint)) out.warn(`${endpoint} is plain http: whoever sits between sees the key.`);
    const key = await keyOf(context, typed);
    const client = new LegateClient({
      url: endpoint,
      ...(isAgentKey(key) ? { agentKey: key } : { operatorKey: key }),
      timeoutMs: globals.timeoutMs,
      fetch: world.fetch,
      clock: world.clock,
      sleep: world.sleep,
    });
    const who = isOn(typed, "unverified") ? undefined : await client.whoami();
    await changeProfiles(world.env.configFile, guestsOf(context), (before) => ({
      current: profile,
      profiles: { ...before.profiles, [profile]: { endpoint, key } },
    }));
    return out.thing({ ...facts, ...(who && { tenant: who.tenant, caller: who.caller }) });
  },
};

const logout: Command = {
  path: ["logout"],
  summary: "Forget a stored key",
  about: "The key itself stays good: `legate operators rotate-key` and `legate keys delete` end keys.",
  options: [{ flag: "all", description: "Forget every profile." }, dryRun],
  examples: ["legate logout", "legate logout --profile staging"],
  changes: true,
  act: async (context, typed) => {
    const { world, globals, out } = context;
    const { current, profiles } = storedProfiles(context);
    const wanted = profileNamed(globals.profile ?? world.env.profile ?? current);
    const gone = Object.keys(profiles).filter((name) => isOn(typed, "all") || name === wanted);
    if (isOn(typed, "dry-run")) return out.thing({ dryRun: true, forgotten: gone });
    if (gone.length === 0) out.note("Nothing is stored there.");
    else
      await changeProfiles(world.env.configFile, guestsOf(context), (before) => {
        const left = Object.fromEntries(Object.entries(before.profiles).filter(([name]) => !gone.includes(name)));
        return { current: Object.hasOwn(left, before.current) ? before.current : (Object.keys(left)[0] ?? defaultProfile), profiles: left };
      });
    return out.thing({ forgotten: gone });
  },
};

const listProfiles: Command = {
  path: ["profiles", "list"],
  summary: "List stored profiles, without their keys",
  examples: ["legate profiles list"],
  act: async (context) => {
    const { current, profiles } = storedProfiles(context);
    const items = Object.entries(profiles).map(([name, { endpoint, key }]) => ({
      name,
      endpoint,
      key: isAgentKey(key) ? "agent" : "operator",
      current: name === current,
    }));
    return context.out.list(
      items,
      (["name", "endpoint", "key", "current"] as const).map((title) => ({ title, mayCut: false, of: (item) => item[title] })),
    );
  },
};

const useProfile: Command = {
  path: ["profiles", "use"],
  summary: "Use this profile where none is named",
  arguments: [{ name: "profile", description: "The profile's name." }],
  options: [dryRun],
  examples: ["legate profiles use staging"],
  changes: true,
  act: async (context, typed) => {
    const name = profileNamed(typed.words["profile"] ?? "");
    const { profiles } = storedProfiles(context);
    if (!Object.hasOwn(profiles, name)) throw new CommandFailure("not_found", `There is no profile ${name}.`);
    if (isOn(typed, "dry-run")) return context.out.thing({ dryRun: true, current: name });
    await changeProfiles(context.world.env.configFile, guestsOf(context), (before) => ({ ...before, current: name }));
    return context.out.thing({ current: name });
  },
};

const whoami: Command = {
  path: ["whoami"],
  summary: "Tell which key is used, and who the server takes it for",
  examples: ["legate whoami", "legate whoami --profile staging --json"],
  act: async (context) => {
    const { endpoint, source, operatorKey, agentKey } = context.session();
    // Of two keys the one that is named here.
    const who = await context.client().whoami({ bearer: operatorKey ?? agentKey });
    return context.out.thing({ endpoint, key: source, ...who });
  },
};

/** Commands about stored keys. */
export const loginCommands: readonly Command[] = [login, logout, whoami, listProfiles, useProfile];
