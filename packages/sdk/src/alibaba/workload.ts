import { LegateApiError } from "../errors.ts";
import { registry } from "./control-plane.ts";
import { keyFrom } from "./credentials/credential.ts";
import type { RequestOptions } from "./rpc.ts";
import type { IdentitySettings } from "./settings.ts";
import { keptInFile, namedInFile } from "./workload-file.ts";

/** A name as the original client makes one up. */
export const madeUpName = (nonce: () => string): string => `workload-${nonce().slice(0, 8)}`;

/** The workload that acts, for a client that may be left to find one. */
export interface LocalWorkload {
  /** The client's own, the file's, or a new one, which is made at the server. */
  readonly name: (signal: AbortSignal) => Promise<string>;
  /** Makes the workload that the file names where the server does not know it. Answers whether there is a reason to ask again. */
  readonly revive: (name: string, error: unknown, options: RequestOptions) => Promise<boolean>;
}

const failed = (error: unknown, code: RegExp): boolean => error instanceof LegateApiError && code.test(error.code);

export const makeLocalWorkload = (
  settings: IdentitySettings,
  say: (line: string) => void = (line) => process.stderr.write(`${line}\n`),
): LocalWorkload => {
  const { file = ".config.json", register } = settings.localWorkload;
  let known: string | undefined;
  let revived = false;

  const create = async (name: string, options: RequestOptions) => {
    const key = await keyFrom(settings.credentials, options.signal);
    const params = { ...register, WorkloadIdentityName: name };
    const asked = { plane: "control", name: "CreateWorkloadIdentity", action: registry.CreateWorkloadIdentity, params } as const;
    await settings.rpc({ ...asked, endpoint: settings.endpoints.control, key }, options).catch((error: unknown) => {
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
    revive: async (name, error, options) => {
      if (settings.workloadName !== undefined || name !== known || revived) return false;
      if (!failed(error, /^EntityNotExists?\.WorkloadIdentity$/)) return false;
      revived = true;
      await create(name, options);
      return true;
    },
  };
};
