import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Whether the layer between a server and its disk can be made here: on Linux, with a C compiler. */
export const canBuildDiskLayer = process.platform === "linux" && spawnSync("cc", ["--version"]).status === 0;

/** Makes it. Answers the library's path. @throws with what the compiler said */
export const buildDiskLayer = (folder: string): string => {
  const library = join(folder, "remembered-disk.so");
  const source = "tests/durability/remembered-disk.c";
  const { status, stderr } = spawnSync("cc", ["-shared", "-fPIC", "-O2", "-o", library, source, "-ldl", "-lpthread"], { encoding: "utf8" });
  if (status !== 0) throw new Error(`The disk layer does not compile: ${stderr}`);
  return library;
};

interface Done {
  readonly kind: "C" | "W" | "T" | "S" | "U" | "R";
  readonly path: string;
  readonly place: number;
  readonly data: Buffer;
}

/** Reads what the layer wrote down; the last record may have been cut short with its process. */
const readLog = (path: string): readonly Done[] => {
  const bytes = readFileSync(path);
  const all: Done[] = [];
  for (let at = 0; at + 17 <= bytes.length; ) {
    const pathLength = bytes.readUInt32LE(at + 1);
    const dataLength = bytes.readUInt32LE(at + 5);
    const end = at + 17 + pathLength + dataLength;
    if (end > bytes.length) break;
    all.push({
      kind: String.fromCharCode(bytes[at] ?? 0) as Done["kind"],
      path: bytes.toString("utf8", at + 17, at + 17 + pathLength),
      place: Number(bytes.readBigUInt64LE(at + 9)),
      data: bytes.subarray(at + 17 + pathLength, end),
    });
    at = end;
  }
  return all;
};

type Change = Pick<Done, "kind" | "place" | "data">;

/** Which record of the log it is. */
interface Numbered {
  readonly at: number;
}

/** A file whatever it is called: what is surely on the disk, and what may or may not be. */
interface Inode {
  synced: Buffer;
  unsynced: (Change & Numbered)[];
}

const changed = (content: Buffer, { kind, place, data }: Change): Buffer => {
  if (kind === "T")
    return place <= content.length
      ? Buffer.from(content.subarray(0, place))
      : Buffer.concat([content, Buffer.alloc(place - content.length)]);
  const grown = Buffer.alloc(Math.max(content.length, place + data.length));
  content.copy(grown);
  data.copy(grown, place);
  return grown;
};

/** All of many writes at once, without copying the file for each. */
const withAll = (content: Buffer, changes: readonly Change[]): Buffer => {
  let now = content;
  let run: Change[] = [];
  const flush = () => {
    const length = run.reduce((most, { place, data }) => Math.max(most, place + data.length), now.length);
    const next = Buffer.alloc(length);
    now.copy(next);
    for (const { place, data } of run) data.copy(next, place);
    now = next;
    run = [];
  };
  for (const change of changes) {
    if (change.kind === "W") run.push(change);
    else {
      flush();
      now = changed(now, change);
    }
  }
  flush();
  return now;
};

/** Sectors are written whole or not at all; a page of SQLite is eight of them. */
const sector = 512;

/** What a disk may have made of writes that nobody waited for: none, the first few, any of them, or any of their sectors. */
const survivors = (changes: readonly Change[], dice: () => number): readonly Change[] => {
  const manner = Math.floor(dice() * 4);
  if (manner === 0) return [];
  if (manner === 1) return changes.slice(0, Math.floor(dice() * (changes.length + 1)));
  if (manner === 2) return changes.filter(() => dice() < 0.5);
  return changes.flatMap((change) => {
    if (change.kind !== "W") return dice() < 0.5 ? [change] : [];
    return Array.from({ length: Math.ceil(change.data.length / sector) }, (_, at) => ({
      kind: "W" as const,
      place: change.place + at * sector,
      data: change.data.subarray(at * sector, (at + 1) * sector),
    })).filter(() => dice() < 0.5);
  });
};

/** Everything below a folder, by path. */
export const filesBelow = (folder: string): ReadonlyMap<string, Buffer> =>
  new Map(
    readdirSync(folder)
      .map((name) => join(folder, name))
      .filter((path) => statSync(path).isFile() && !path.endsWith("-shm"))
      .map((path) => [path, readFileSync(path)]),
  );

/**
 * Turns a folder into what a power loss would leave of it: files as they were last synced, under the names that their folder was last synced with,
 * and of what came later some or nothing.
 * @param before What stood there, synced, when the log began.
 * @returns how many writes there were, syncs among them, and unsynced writes that the loss dropped
 */
export const losePower = (folder: string, before: ReadonlyMap<string, Buffer>, log: string, dice: () => number) => {
  const durable = new Map<string, Inode>([...before].map(([path, content]) => [path, { synced: content, unsynced: [] }]));
  const names = new Map(durable);
  /** What was done to names since their folder was last synced. */
  let renamings: (Numbered & { readonly act: (to: Map<string, Inode>) => void })[] = [];
  let at = -1;
  const rename = (act: (to: Map<string, Inode>) => void): void => {
    act(names);
    renamings.push({ at, act });
  };
  const counts = { writes: 0, syncs: 0, dropped: 0 };
  for (const { kind, path, place, data } of existsSync(log) ? readLog(log) : []) {
    at += 1;
    const inode = names.get(path);
    if (kind === "C") {
      const made: Inode = { synced: Buffer.alloc(0), unsynced: [] };
      rename((to) => to.set(path, made));
    } else if (kind === "U") rename((to) => to.delete(path));
    else if (kind === "R") {
      const to = data.toString("utf8");
      rename((all) => {
        const moved = all.get(path);
        if (moved) all.set(to, moved);
        all.delete(path);
      });
    } else if (kind === "S" && path === folder) {
      counts.syncs += 1;
      for (const each of renamings) if (each.at < place) each.act(durable);
      renamings = renamings.filter((each) => each.at >= place);
    } else if (kind === "S" && inode) {
      counts.syncs += 1;
      const isSynced = (change: Numbered): boolean => change.at < place;
      inode.synced = withAll(inode.synced, inode.unsynced.filter(isSynced));
      inode.unsynced = inode.unsynced.filter((change) => !isSynced(change));
    } else if (inode) {
      if (kind === "W") counts.writes += 1;
      inode.unsynced.push({ at, kind, place, data });
    }
  }
  for (const { act } of renamings.slice(0, Math.floor(dice() * (renamings.length + 1)))) act(durable);
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
  mkdirSync(dirname(folder), { recursive: true });
  for (const [path, { synced, unsynced }] of durable) {
    const kept = survivors(unsynced, dice);
    counts.dropped += Math.max(0, unsynced.length - kept.length);
    writeFileSync(path, withAll(synced, kept), { mode: 0o600 });
  }
  rmSync(log, { force: true });
  return counts;
};
