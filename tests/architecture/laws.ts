import { besideFloors, floors, type House, type Offence, type Source } from "./house.ts";

/** One law of the house: what it says, and who breaks it. */
export interface Law {
  readonly name: string;
  readonly offences: (house: House) => readonly Offence[];
}

const roomList = "packages/server/src/rooms.ts";

const running = (house: House): readonly Source[] => house.sources.filter(({ aside }) => !aside);
/** Programs beside the packages, which use them as anyone would. */
const programs = (house: House): readonly Source[] => house.sources.filter(({ path }) => !path.startsWith("packages/"));
const ofServer = (house: House): readonly Source[] => running(house).filter((source) => source.package === "server");

/** A law about each source by itself. */
const each = (
  name: string,
  among: (house: House) => readonly Source[],
  find: (source: Source, house: House) => readonly string[],
): Law => ({
  name,
  offences: (house) => among(house).flatMap((source) => find(source, house).map((what) => ({ path: source.path, what }))),
});

/** Where code says something, with its line. */
const says = ({ code }: Source, pattern: RegExp): readonly string[] =>
  [...code.matchAll(new RegExp(pattern, "g"))].map((match) => `line ${code.slice(0, match.index).split("\n").length}: ${match[0].trim()}`);

const isPackage = (specifier: string | undefined, name: string): boolean =>
  specifier === name || (specifier?.startsWith(`${name}/`) ?? false);

const importing = (source: Source, forbidden: (one: Source["imports"][number]) => boolean): readonly string[] =>
  source.imports.filter(forbidden).map(({ line, specifier }) => `line ${line}: imports ${specifier ?? "what cannot be read"}`);

const targetRoom = (target: string | undefined): string | undefined => {
  const inside = target?.startsWith("packages/server/src/") ? target.slice("packages/server/src/".length) : undefined;
  const [first = "", second] = inside?.split("/") ?? [];
  if (first === "config") return "config";
  return second !== undefined && (floors as readonly string[]).includes(first) ? `${first}/${second}` : undefined;
};

const floorOf = (room: string): number => (floors as readonly string[]).indexOf(room.split("/")[0] ?? "");

/** The server and the look of our pages are every wire's. */
const isDialect = (room: string | undefined): boolean =>
  room !== undefined && room.startsWith("front/") && room !== "front/http" && room !== "front/pages";

/** Modules that open sockets. From `node:net` what only judges addresses is free, as are the types of all of them. */
const sockets = ["undici", ...["http", "https", "http2", "net", "tls", "dgram", "dns"].flatMap((name) => [`node:${name}`, name])];
const opensNothing = new Set(["BlockList", "SocketAddress", "isIP", "isIPv4", "isIPv6", "STATUS_CODES"]);

const bindsFetch =
  /\{[^{}]*\bfetch\b[^{}]*\}\s*(?::|=(?![=>])|\)\s*(?:=>|[{:]))|\(\s*fetch\s*[:,)]|,\s*fetch\s*[:,)]|\b(?:const|let|function)\s+fetch\b/;

/** The doc comment that a file opens with, on one line. */
const openingOf = (text: string): string | undefined =>
  /^\/\*\*([\s\S]*?)\*\//
    .exec(text)?.[1]
    ?.replaceAll(/\s*\n\s*\*?\s*/g, " ")
    .trim();

const doors = (house: House): readonly Source[] =>
  house.sources.filter(({ inside, room, path }) => (room === undefined ? inside === "index.ts" : path.endsWith(`/${room}/index.ts`)));

const foldersOf = (path: string): readonly string[] => path.split("/").slice(0, -1);

/** What each package may import of the others. */
const neighbours: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  server: ["contract"],
  sdk: ["contract"],
  cli: ["contract", "sdk"],
  examples: ["sdk", "server"],
  bench: ["server"],
};

/** The modules of the SDK that need Node. */
const onNode =
  /(^|\/)(context|local-name)[^/]*\.ts$|^coze\/(ca-bundle|identity-key|skill-files)\.ts$|^alibaba\/(tunnel|proxy|workload-file|credentials\/(files|past-proxies))\.ts$/;

export const laws: readonly Law[] = [
  each("floors import downward only", ofServer, (source) =>
    importing(source, ({ target }) => {
      const to = targetRoom(target);
      return source.room !== undefined && source.room !== "config" && to !== undefined && floorOf(to) > floorOf(source.room);
    }),
  ),

  each("a room imports only rooms that stand before it in rooms.ts", ofServer, (source, { rooms }) =>
    importing(source, ({ target }) => {
      const to = targetRoom(target);
      if (source.room === undefined || to === undefined || to === source.room) return false;
      if (source.room !== "config" && floorOf(to) > floorOf(source.room)) return false;
      const place = rooms.indexOf(to);
      return place < 0 || place > rooms.indexOf(source.room);
    }),
  ),

  each("a room is entered only through its index.ts", ofServer, (source) =>
    importing(source, ({ target }) => {
      const to = targetRoom(target);
      return to !== undefined && to !== source.room && target !== `packages/server/src/${to}/index.ts`;
    }),
  ),

  each("a room knows nothing of what composes it", ofServer, (source) =>
    importing(
      source,
      ({ target }) =>
        source.room !== undefined && target !== undefined && targetRoom(target) === undefined && target.startsWith("packages/server/src/"),
    ),
  ),

  each("code that runs imports nothing made for tests", running, (source) =>
    importing(
      source,
      ({ specifier, target }) =>
        isPackage(specifier, "vitest") ||
        /(\.test|-for-tests)\.tsx?$|^packages\/[^/]+\/src\/testing\//.test(target ?? "") ||
        /\/testing\//.test(specifier ?? ""),
    ),
  ),

  each("only ground/db and *-table.ts import the query builder or a driver", ofServer, (source) =>
    source.room === "ground/db" || (source.room !== undefined && source.path.endsWith("-table.ts"))
      ? []
      : importing(source, ({ specifier }) =>
          ["kysely", "pg", "pg-pool", "libsql", "better-sqlite3", "node:sqlite"].some((name) => isPackage(specifier, name)),
        ),
  ),

  each("only front/ imports Fastify", running, (source) =>
    source.package === "server" && source.inside.startsWith("front/")
      ? []
      : importing(source, ({ specifier }) => ["fastify", "@fastify", "@scalar"].some((name) => isPackage(specifier, name))),
  ),

  each("only ground/egress opens outbound sockets", ofServer, (source) =>
    source.room === "ground/egress"
      ? []
      : [
          ...importing(source, ({ specifier, names, typeOnly }) => {
            if (isPackage(specifier, "jose") && names.includes("createRemoteJWKSet")) return true;
            if (typeOnly || !sockets.some((name) => isPackage(specifier, name))) return false;
            return names.length === 0 || names.some((name) => !opensNothing.has(name));
          }),
          ...says(source, /\b(?:globalThis|global)\s*\.\s*fetch\b|\bnew\s+(?:WebSocket|EventSource|XMLHttpRequest)\b/),
          ...(bindsFetch.test(source.code)
            ? []
            : says(source, /(?<![.\w$])fetch\s*\(|(?:[=?|]|\breturn)\s*fetch\b(?!\s*[(:?])|:\s*fetch\s*[,}]/)),
        ],
  ),

  each("a dialect imports no other dialect and no table", ofServer, (source) =>
    isDialect(source.room)
      ? importing(source, ({ target, names }) => {
          const to = targetRoom(target);
          // A dialect may hand the store on to a room; a handle for queries or the shape of rows it may not name.
          const reachesRows = to === "ground/db" && (names.length === 0 || names.some((name) => name !== "Db"));
          return (isDialect(to) && to !== source.room) || reachesRows || (target?.endsWith("-table.ts") ?? false);
        })
      : [],
  ),

  each("nothing asks which dialect is speaking", running, (source) =>
    says(source, /\bdialect\w*\s*[!=]==?(?!=)|[!=]==?\s*(?:\w+\.)*dialect\w*\b|\bswitch\s*\(\s*(?:\w+\.)*dialect\w*\s*\)/),
  ),

  each(
    "packages and programs import only the neighbours they may know",
    (house) => [...running(house), ...programs(house)],
    (source) =>
      importing(source, ({ specifier, target }) => {
        if (target !== undefined) return !target.startsWith(source.path.slice(0, -source.inside.length));
        const neighbour = /^@legate\/([^/]+)/.exec(specifier ?? "")?.[1];
        return neighbour !== undefined && neighbour !== source.package && !(neighbours[source.package] ?? []).includes(neighbour);
      }),
  ),

  each("contract imports zod only", running, (source) =>
    source.package === "contract" ? importing(source, ({ specifier, target }) => target === undefined && specifier !== "zod") : [],
  ),

  each("the SDK stands on contract alone, and on Node only in the modules that are named here", running, (source) =>
    source.package === "sdk"
      ? importing(source, ({ specifier, target, typeOnly }) => {
          if (target !== undefined || isPackage(specifier, "@legate/contract")) return false;
          return !(specifier?.startsWith("node:") && (typeOnly || onNode.test(source.inside)));
        })
      : [],
  ),

  each(
    "process.env is read in config/ alone, which main.ts hands it to; each door of the SDK, and the command line, has its one environment module",
    running,
    (source) =>
      source.room === "config" ||
      (source.package === "server" && ["main.ts", "maintenance/main.ts"].includes(source.inside)) ||
      (source.package === "sdk" && /^((alibaba|coze)\/)?environment\.ts$/.test(source.inside)) ||
      (source.package === "cli" && source.inside === "environment.ts")
        ? []
        : [
            ...says(
              source,
              /\bprocess\s*(?:\?\.|\.)\s*(?:env\b|loadEnvFile\b)|\bprocess\s*(?:\?\.)?\[|\}\s*=\s*(?:globalThis\.)?process\b(?!\s*\.)/,
            ),
            ...importing(
              source,
              ({ specifier, names }) => isPackage(specifier, "node:process") && (names.includes("env") || names.length === 0),
            ),
          ],
  ),

  each("clock and randomness are guests: only ground/kernel makes them", ofServer, (source) =>
    source.room === "ground/kernel"
      ? []
      : says(
          source,
          /\bDate\s*\.\s*now\b|\bnew\s+Date\s*(?:\(\s*\)|(?![\s\w(]))|(?<!new\s+|[.\w$])Date\s*\(\s*\)|\bMath\s*\.\s*random\b|\b(?:randomBytes|randomUUID|randomInt|randomFill|randomFillSync|getRandomValues)\b/,
        ),
  ),

  each("process.exit stands in main.ts alone", running, (source) =>
    /(^|\/)main\.ts$/.test(source.inside) ? [] : says(source, /\bprocess\s*(?:\?\.|\.)\s*(?:exit|abort|reallyExit)\b/),
  ),

  each(
    "no folder is named after nothing",
    (house) => house.sources,
    ({ path }) =>
      foldersOf(path)
        .filter((folder) => /^(utils?|commons?|helpers?|shared|misc)$/i.test(folder))
        .map((folder) => `folder ${folder}`),
  ),

  each("a door names what it hands out", doors, (source) => says(source, /\bexport\s*(?:type\s*)?\*/)),

  each("a door opens with one sentence on what is behind it", doors, ({ text }) => {
    const sentence = openingOf(text);
    if (sentence === undefined) return ["it does not open with a doc comment"];
    if (!/^[A-Z`@].*\.$/.test(sentence)) return ["its comment is no sentence"];
    return /[.!?] +[A-Z]/.test(sentence) ? ["its comment is more than one sentence: the room may be more than one room"] : [];
  }),

  {
    name: "a room's door says what rooms.ts says of it",
    offences: (house) =>
      doors(house).flatMap(({ path, room, text }) =>
        room === undefined || !house.owns.has(room) || openingOf(text) === `Owns ${house.owns.get(room)}.`
          ? []
          : [{ path, what: `it does not open with: Owns ${house.owns.get(room)}.` }],
      ),
  },

  {
    name: "rooms.ts lists every room, each has a door, and floors stand in order",
    offences: ({ sources, rooms }) => {
      const offences: Offence[] = [];
      const paths = new Set(sources.map(({ path }) => path));
      for (const room of rooms) {
        const door = `packages/server/src/${room}/index.ts`;
        if (!paths.has(door)) offences.push({ path: roomList, what: `${room} has no index.ts` });
      }
      rooms.forEach((room, at) => {
        const before = rooms[at - 1];
        if (rooms.indexOf(room) !== at) offences.push({ path: roomList, what: `${room} is listed twice` });
        if (room !== "config" && floorOf(room) < 0) offences.push({ path: roomList, what: `${room} is on no floor` });
        if (before !== undefined && floorOf(before) > floorOf(room))
          offences.push({ path: roomList, what: `${room} stands after ${before}, of a higher floor` });
      });
      for (const { path, package: packageName, inside, room } of sources) {
        if (packageName !== "server") continue;
        const [first = "", second] = inside.split("/");
        const isFloor = (floors as readonly string[]).includes(first);
        if (room !== undefined && !rooms.includes(room)) offences.push({ path, what: `room ${room} is not listed` });
        else if (second !== undefined && !isFloor && !(besideFloors as readonly string[]).includes(first)) {
          offences.push({ path, what: `folder ${first} is no floor` });
        } else if (isFloor && room === undefined) offences.push({ path, what: "stands on a floor, in no room" });
      }
      return offences;
    },
  },

  each("every import can be read", running, (source) => importing(source, ({ specifier }) => specifier === undefined)),
];
