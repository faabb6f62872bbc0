import { operations } from "@legate/contract";
import type { WorkloadTokens } from "../../identity/tokens/index.ts";
import type { Serve } from "./serve.ts";

export const serveWorkloadTokens = (serve: Serve, workloadTokens: WorkloadTokens): void => {
  serve(operations.createWorkloadToken, ({ who, body }) => workloadTokens.issue(who, body));
};
