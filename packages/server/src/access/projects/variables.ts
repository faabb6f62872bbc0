import type { Audit } from "../../ground/audit/index.ts";
import type { Db, Handle } from "../../ground/db/index.ts";
import {
  type Clock,
  type Page,
  type PageAsk,
  type Place,
  readPage,
  type Principal,
  type Random,
  Refusal,
} from "../../ground/kernel/index.ts";
import type { Seal } from "../../ground/seal/index.ts";
import { parseDotenv } from "./dotenv.ts";
import {
  defaultLane,
  mostBytes,
  mostLanes,
  mostVariables,
  newMark,
  newVariableId,
  type Project,
  type SealedVariable,
  type SetTotals,
  sizeOf,
  valueIdentity,
  type Variable,
} from "./project.ts";
import { projectsTable } from "./projects-table.ts";
import { type SetPlace, variablesTable } from "./variables-table.ts";
import { changeOf, invalid, orNothing, unknownProject, untilDone } from "./writing.ts";

interface Needs {
  readonly db: Db;
  readonly audit: Audit;
  readonly seal: Seal;
  readonly clock: Clock;
  readonly random: Random;
}

/** How many an import did what with. */
export interface Imported {
  readonly made: number;
  readonly changed: number;
  readonly unchanged: number;
  readonly removed: number;
}

/** Problems that are named, and names that an import's row in the record tells. */
const mostFaults = 20;
const mostNames = 200;
/** Of a value, in bytes. */
const longestValue = 65_536;

/** What the record and refusals say of a set; the default one has no lane. */
const laneOf = ({ lane }: SetPlace): { readonly lane?: string } => (lane === defaultLane ? {} : { lane });

const unknownVariable = (set: SetPlace, name: string) =>
  new Refusal("variable_unknown", `There is no variable ${name} in this project and lane.`, { name, ...laneOf(set) });

/** What is added to a set, or taken from it. */
interface Growth {
  readonly count: number;
  readonly bytes: number;
  /** The field of the request that is to be blamed where that is too much. */
  readonly path: "value" | "text";
}

/** A variable as it may be shown. */
const shown = ({ id, name, lane, version, createdAt, updatedAt }: SealedVariable): Variable => ({
  id,
  name,
  lane,
  version,
  createdAt,
  updatedAt,
});

export const makeVariables = ({ db, audit, seal, clock, random }: Needs) => {
  /** What the sets hold after a change. @throws Refusal invalid_request where that is too much */
  const grown = (project: Project, { lane }: SetPlace, { count, bytes, path }: Growth): ReadonlyMap<string, SetTotals> => {
    const sets = new Map(project.sets);
    const before = sets.get(lane);
    const after = { count: (before?.count ?? 0) + count, bytes: (before?.bytes ?? 0) + bytes, mark: newMark(random) };
    if (count > 0 && after.count > mostVariables)
      throw invalid(`A set holds at most ${mostVariables} variables.`, path, `the set would hold ${after.count} variables`);
    if (bytes > 0 && after.bytes > mostBytes)
      throw invalid(`The variables of a set take at most ${mostBytes} bytes together.`, path, `the set would take ${after.bytes} bytes`);
    if (after.count > 0) sets.set(lane, after);
    else sets.delete(lane);
    const lanes = sets.size - (sets.has(defaultLane) ? 1 : 0);
    if (!before && lane !== defaultLane && lanes > mostLanes)
      throw invalid(`At most ${mostLanes} lanes hold variables.`, "lane", `${mostLanes} other lanes hold variables already`);
    return sets;
  };

  const held = async (tx: Handle, tenant: string, project: string): Promise<Project> => {
    const found = await projectsTable.lock(tx, tenant, project);
    if (!found) throw unknownProject(project);
    return found;
  };
  const known = async (tenant: string, project: string): Promise<Project> => {
    const found = await projectsTable.byName(db.read, tenant, project);
    if (!found) throw unknownProject(project);
    return found;
  };

  const opened = (tenant: string, project: string, variable: SealedVariable): Promise<string | undefined> =>
    orNothing(seal.open(tenant, valueIdentity(project, variable), variable.sealedValue));

  const sealed = async (tx: Handle, tenant: string, project: string, variable: Variable, value: string): Promise<SealedVariable> => ({
    ...variable,
    size: sizeOf(variable.name, value),
    sealedValue: await seal.seal(tx, tenant, valueIdentity(project, variable), value),
  });

  const fresh = (name: string, lane: string, now: number): Variable => ({
    id: newVariableId(random),
    name,
    lane,
    version: 1,
    createdAt: now,
    updatedAt: now,
  });

  const next = (variable: Variable, now: number): Variable => ({ ...variable, version: variable.version + 1, updatedAt: now });

  return {
    /**
     * Sets a variable; the same value again changes nothing.
     * @throws Refusal project_unknown; invalid_request where the set is full
     */
    put: (who: Principal, project: string, name: string, { value, lane = defaultLane }: { value: string; lane?: string | undefined }) => {
      const set: SetPlace = { project, lane };
      const { tenant } = who;
      return untilDone(async (): Promise<Variable | undefined> => {
        // Opened before the transaction, which waits for nobody.
        const seen = await variablesTable.byName(db.read, tenant, set, name);
        const same = seen !== undefined && (await opened(tenant, project, seen)) === value;
        return db.write(async (tx) => {
          const holder = await held(tx, tenant, project);
          const current = await variablesTable.byName(tx, tenant, set, name);
          if (current?.id !== seen?.id || current?.version !== seen?.version) return undefined;
          if (current && same) return shown(current);
          const now = clock();
          const variable = await sealed(tx, tenant, project, current ? next(current, now) : fresh(name, lane, now), value);
          const sets = grown(holder, set, { count: current ? 0 : 1, bytes: variable.size - (current?.size ?? 0), path: "value" });
          if (current) await variablesTable.update(tx, tenant, project, variable);
          else await variablesTable.insert(tx, tenant, project, [variable]);
          await projectsTable.setSets(tx, tenant, project, sets);
          const { id, version } = variable;
          const details = { project, name, version, ...laneOf(set) };
          await audit.record(tx, who, current ? "variable.updated" : "variable.created", { target: id, details });
          await db.changes.announce(tx, tenant, "project", changeOf(tenant, project));
          return shown(variable);
        });
      });
    },

    /** By name. @throws Refusal project_unknown; invalid_request for an unknown cursor */
    list: async (tenant: string, project: string, lane: string | undefined, ask: PageAsk): Promise<Page<Variable>> => {
      await known(tenant, project);
      const set = { project, lane: lane ?? defaultLane };
      const read = async (place: Place | undefined, most: number) =>
        (await variablesTable.list(db.read, tenant, set, place?.id ?? "", most)).map(shown);
      return readPage([tenant, "variables", set.project, set.lane], ask, read, ({ name }) => ({ at: 0, id: name }));
    },

    /** @throws Refusal project_unknown, variable_unknown */
    get: async (tenant: string, project: string, name: string, lane: string = defaultLane): Promise<Variable> => {
      const found = await variablesTable.byName(db.read, tenant, { project, lane }, name);
      if (found) return shown(found);
      await known(tenant, project);
      throw unknownVariable({ project, lane }, name);
    },

    /** @throws Refusal project_unknown, variable_unknown */
    remove: (who: Principal, project: string, name: string, lane: string = defaultLane): Promise<void> =>
      db.write(async (tx) => {
        const { tenant } = who;
        const set: SetPlace = { project, lane };
        const holder = await held(tx, tenant, project);
        const current = await variablesTable.byName(tx, tenant, set, name);
        if (!current) throw unknownVariable(set, name);
        await variablesTable.remove(tx, tenant, set, [name]);
        await projectsTable.setSets(tx, tenant, project, grown(holder, set, { count: -1, bytes: -current.size, path: "value" }));
        await audit.record(tx, who, "variable.deleted", { target: current.id, details: { project, name, ...laneOf(set) } });
        await db.changes.announce(tx, tenant, "project", changeOf(tenant, project));
      }),

    /**
     * Sets what a `.env` file names, all or none; with `replace`, what it does not name is removed from the set.
     * @throws Refusal project_unknown; invalid_request that names the lines which do not parse, or where the set would be too full
     */
    importFile: async (
      who: Principal,
      project: string,
      { text, lane = defaultLane, replace = false }: { text: string; lane?: string | undefined; replace?: boolean | undefined },
    ): Promise<Imported> => {
      const parsed = parseDotenv(text);
      const faults =
        "faults" in parsed
          ? parsed.faults
          : [...parsed.variables].flatMap(([name, value]) =>
              Buffer.byteLength(value) > longestValue ? [{ line: undefined, message: `${name} is longer than ${longestValue} bytes` }] : [],
            );
      if (faults.length > 0 || "faults" in parsed)
        throw new Refusal("invalid_request", "The file does not parse; nothing was changed.", {
          issues: faults.slice(0, mostFaults).map(({ line, message }) => ({ path: line === undefined ? "text" : `text.${line}`, message })),
        });
      const wanted = parsed.variables;
      const set: SetPlace = { project, lane };
      const { tenant } = who;
      return untilDone(async (): Promise<Imported | undefined> => {
        const before = await known(tenant, project);
        const stored = await variablesTable.list(db.read, tenant, set, "", mostVariables);
        const standing = new Map(stored.map((variable) => [variable.name, variable]));
        const same = new Set<string>();
        for (const variable of stored)
          if (wanted.has(variable.name) && (await opened(tenant, project, variable)) === wanted.get(variable.name)) same.add(variable.name);
        return db.write(async (tx) => {
          const holder = await held(tx, tenant, project);
          // Whether anybody changed the set since it was read.
          if (holder.sets.get(lane)?.mark !== before.sets.get(lane)?.mark) return undefined;
          const now = clock();
          const made: SealedVariable[] = [];
          const changed: SealedVariable[] = [];
          for (const [name, value] of wanted) {
            const current = standing.get(name);
            if (!current) made.push(await sealed(tx, tenant, project, fresh(name, lane, now), value));
            else if (!same.has(name)) changed.push(await sealed(tx, tenant, project, next(current, now), value));
          }
          const removed = replace ? stored.filter(({ name }) => !wanted.has(name)) : [];
          const counts = { made: made.length, changed: changed.length, unchanged: same.size, removed: removed.length };
          const touched = [...made, ...changed, ...removed];
          if (touched.length === 0) return counts;
          const sizes = (variables: readonly SealedVariable[]) => variables.reduce((sum, { size }) => sum + size, 0);
          const replaced = changed.map(({ name }) => standing.get(name)).filter((variable) => variable !== undefined);
          const bytes = sizes(made) + sizes(changed) - sizes(replaced) - sizes(removed);
          const sets = grown(holder, set, { count: made.length - removed.length, bytes, path: "text" });
          await variablesTable.remove(
            tx,
            tenant,
            set,
            removed.map(({ name }) => name),
          );
          await variablesTable.insert(tx, tenant, project, made);
          for (const variable of changed) await variablesTable.update(tx, tenant, project, variable);
          await projectsTable.setSets(tx, tenant, project, sets);
          const names = touched.slice(0, mostNames).map(({ name }) => name);
          await audit.record(tx, who, "variables.imported", { target: project, details: { project, ...laneOf(set), ...counts, names } });
          await db.changes.announce(tx, tenant, "project", changeOf(tenant, project));
          return counts;
        });
      });
    },
  };
};
