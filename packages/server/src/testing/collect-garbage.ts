import { Session } from "node:inspector/promises";

/** Collects all that nobody holds, of this process. */
export const collectGarbage = async (): Promise<void> => {
  const session = new Session();
  session.connect();
  await session.post("HeapProfiler.collectGarbage");
  session.disconnect();
};
