import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { codeOf, type Import, importsOf } from "./scan.ts";

/** Sources by their path from the root of the repository, `/` between folders. */
export type Tree = ReadonlyMap<string, string>;

/** A source file and what the laws want to know of it. */
export interface Source {
  readonly path: string;
  /** The folder's name of the package, or of the program beside the packages. */
  readonly package: string;
  /** The path below its `src`. */
  readonly inside: string;
  /** Of the server: the floor and room it belongs to, e.g. `ground/db`; undefined for what stands outside of rooms. */
  readonly room: string | undefined;
  /** Programs beside the packages, tests, `*-for-tests.ts`, and what serves only tests or documents: the walls between rooms do not bind them. */
  readonly aside: boolean;
  readonly text: string;
  readonly code: string;
  readonly imports: readonly (Import & { readonly target: string | undefined })[];
}

/** The whole house. */
export interface House {
  readonly sources: readonly Source[];
  /** Room paths in the order of `rooms.ts`. */
  readonly rooms: readonly string[];
  /** What each room owns, as `rooms.ts` says it. */
  readonly owns: ReadonlyMap<string, string>;
}

/** A breach of a law, naming the offender. */
export interface Offence {
  readonly path: string;
  readonly what: string;
}

export const floors = ["ground", "identity", "access", "front"] as const;
/** Folders of the server that are no floor: settings, and what is not part of the running server. */
export const besideFloors = ["config", "testing", "reference", "maintenance"] as const;
const roomList = "packages/server/src/rooms.ts";

/** Programs that use the packages, each a folder at the root. */
const programs = ["examples", "bench"] as const;

/** Reads every source of every package and program. */
export const readTree = (root: string): Tree => {
  const tree = new Map<string, string>();
  for (const place of ["packages", ...programs]) {
    for (const entry of readdirSync(join(root, place), { withFileTypes: true, recursive: true })) {
      const path = posix.join(entry.parentPath.slice(root.length).replaceAll("\\", "/").replace(/^\//, ""), entry.name);
      if (!entry.isFile() || !/^(packages\/)?[^/]+\/src\/.*\.tsx?$/.test(path)) continue;
      tree.set(path, readFileSync(join(root, path), "utf8"));
    }
  }
  return tree;
};

const roomOf = (packageName: string, inside: string): string | undefined => {
  if (packageName !== "server") return undefined;
  const [first = "", second = "", third] = inside.split("/");
  if (first === "config") return "config";
  return (floors as readonly string[]).includes(first) && third !== undefined ? `${first}/${second}` : undefined;
};

/** Reads a tree into a house. */
export const houseOf = (tree: Tree): House => {
  const sources = [...tree].map(([path, text]): Source => {
    const inPackages = path.startsWith("packages/");
    const [packageName = "", , ...rest] = path.split("/").slice(inPackages ? 1 : 0);
    const inside = rest.join("/");
    const code = codeOf(text);
    const imports = importsOf(text, code).map((one) => ({
      ...one,
      target: one.specifier?.startsWith(".") ? posix.normalize(posix.join(posix.dirname(path), one.specifier)) : undefined,
    }));
    const notRunning = inside.startsWith("testing/") || (packageName === "server" && inside.startsWith("reference/"));
    const aside = !inPackages || notRunning || /(\.test|-for-tests)\.tsx?$/.test(path);
    return { path, package: packageName, inside, room: roomOf(packageName, inside), aside, text, code, imports };
  });
  const list = tree.get(roomList) ?? "";
  const rooms = [...list.matchAll(/\bpath:\s*"([^"]+)"/g)].map((match) => match[1] ?? "");
  const owns = new Map([...list.matchAll(/\bpath:\s*"([^"]+)",\s*owns:\s*"([^"]+)"/g)].map(([, room = "", what = ""]) => [room, what]));
  return { sources, rooms, owns };
};
