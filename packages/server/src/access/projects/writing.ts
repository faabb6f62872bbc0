import { Refusal } from "../../ground/kernel/index.ts";
import { SealBroken } from "../../ground/seal/index.ts";

/** How often a change is tried again that another one came before. */
const attempts = 5;

/** Tries what answers undefined where another change came before. @throws Refusal unavailable */
export const untilDone = async <T>(attempt: () => Promise<T | undefined>): Promise<T> => {
  for (let tried = 0; tried < attempts; tried += 1) {
    const done = await attempt();
    if (done !== undefined) return done;
  }
  throw new Refusal("unavailable", "The project is being changed by others. Try again.");
};

/** A secret as it is stored, or undefined where it no longer opens: then whatever is put there is new. */
export const orNothing = (opening: Promise<string>): Promise<string | undefined> =>
  opening.catch((error: unknown) => {
    if (error instanceof SealBroken) return undefined;
    throw error;
  });

export const unknownProject = (project: string): Refusal => new Refusal("project_unknown", `There is no project ${project}.`, { project });

export const invalid = (message: string, path: string, what: string): Refusal =>
  new Refusal("invalid_request", message, { issues: [{ path, message: what }] });

/** What a change of a project is announced as. Neither a tenant's name nor a project's has a slash. */
export const changeOf = (tenant: string, project: string): string => `${tenant}/${project}`;
