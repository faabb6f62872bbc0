import { Refusal } from "../ground/kernel/index.ts";

/** What a call refused, as one word and its reason. */
export const refusalOf = async (call: Promise<unknown>): Promise<string> => {
  try {
    await call;
  } catch (thrown) {
    if (!(thrown instanceof Refusal)) throw thrown;
    const { reason } = thrown.details;
    return typeof reason === "string" ? `${thrown.code} ${reason}` : thrown.code;
  }
  return "nothing refused";
};
