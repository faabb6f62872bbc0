import { operations } from "@legate/contract";
import type { Call } from "./call.ts";
import { LegateApiError } from "./errors.ts";
import { localAgentName } from "./local-name.ts";
import type { Settings } from "./settings.ts";

const failed = (error: unknown, code: string) => error instanceof LegateApiError && error.code === code;

/** The agent of an operator key that names none: its name from the file, registered where the server does not know it. */
export const makeLocalAgent = (settings: Settings, call: Call) => {
  let known: string | undefined;
  return async (signal: AbortSignal): Promise<string> => {
    if (known !== undefined) return known;
    const name = await localAgentName(settings.localAgent.file);
    try {
      await call(operations.getAgent, { params: { name }, signal });
    } catch (error) {
      if (!failed(error, "agent_unknown")) throw error;
      await call(operations.createAgent, { body: { ...settings.localAgent.register, name }, signal }).catch((refusal: unknown) => {
        // Another process read the same file and registered it first.
        if (!failed(refusal, "agent_exists")) throw refusal;
      });
    }
    known = name;
    return name;
  };
};
