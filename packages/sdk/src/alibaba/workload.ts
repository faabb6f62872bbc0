import { LegateApiError } from "../errors.ts";
import { Flights } from "../flights.ts";
import { type NewWorkloadIdentity, registry } from "./control-plane.ts";
import { withKeyFrom } from "./credentials/credential.ts";
import type { RequestOptions } from "./rpc.ts";
import type { IdentitySettings } from "./settings.ts";
import { keptInFile, namedInFile, wholePath } from "./workload-file.ts";

/** A name as the original client makes one up. */
export const madeUpName = (nonce: () => string): string => `workload-${nonce().slice(0, 8)}`;

/** The workload that acts, for a client that may be left to find one. */
export interface LocalWorkload {
  /** The client's own, the file's, or a new one, which is made at the server. */
  readonly name: (signal: AbortSignal) => Promise<string>;
  /** Makes the workload that the file names where the server does not know it. Answers whether there is a reason to ask again. */
  readonly revive: (name: string, error: unknown, options: RequestOptions) => Promise<boolean>;
  /** The error, which says where the name of this workload stands if that explains it. */
  readonly explained: (name: string | undefined, error: unknown) => unknown;
}

const failed = (error: unknown, code: RegExp): boolean => error instanceof LegateApiError && code.test(error.code);

export const makeLocalWorkload = (
  settings: IdentitySettings,
  say: (line: string) => void = (line) => process.stderr.write(`${line}\n`),
): LocalWorkload => {
  const { file = ".config.json", register } = settings.localWorkload;
  const flights = new Flights();
  let known: string | undefined;
  let revived = false;
  // The keys of its role are what credentials are fetched with.
  const withRole = settings.useSts && register?.RoleArn === undefined && register?.CreateRAMRole === undefined;
  const fields: Omit<NewWorkloadIdentity, "WorkloadIdentityName"> = { ...register, ...(withRole && { CreateRAMRole: true }) };

  const create = async (name: string, options: RequestOptions) => {
    const params = { ...fields, WorkloadIdentityName: name };
    const asked = { plane: "control", name: "CreateWorkloadIdentity", action: registry.CreateWorkloadIdentity, params } as const;
    const endpoint = settings.endpoints.control;
    const made = withKeyFrom(settings.credentials, options.signal, (key) => settings.rpc({ ...asked, endpoint, key }, options));
    await made.catch((error: unknown) => {
      // Another process read the same file and was first.
      if (!failed(error, /^EntityAlreadyExists\./)) throw error;
    });
  };

  const find = async (signal: AbortSignal): Promise<string> => {
    const written = file === false ? undefined : await namedInFile(file);
    if (written !== undefined) return written;
    const made = madeUpName(settings.nonce);
    const name = file === false ? made : await keptInFile(file, made, say);
    await create(name, { signal });
    return name;
  };

  return {
    name: async (signal) => {
      if (settings.workloadName !== undefined) return settings.workloadName;
      known ??= await find(signal);
      return known;
    },
    revive: async (name, error, { signal }) => {
      if (settings.workloadName !== undefined || name !== known) return false;
      if (!failed(error, /^EntityNotExists?\.WorkloadIdentity$/)) return false;
      // Once: where it is missing again, somebody has deleted it. Who learnt too late that it was missing asks again all the same.
      if (!revived) await flights.join("revive", signal, (shared) => create(name, { signal: shared }));
      revived = true;
      return true;
    },
    explained: (name, error) => {
      if (!(error instanceof LegateApiError) || error.code !== "MissingRoleArn") return error;
      if (file === false || settings.workloadName !== undefined || name !== known || name === undefined) return error;
      const hint = `${name} is the workload that ${wholePath(file)} names: delete the file to have another made, with a role.`;
      return new LegateApiError(`${error.message} ${hint}`, error);
    },
  };
};
