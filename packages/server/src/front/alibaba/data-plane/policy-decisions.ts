import { z } from "zod";
import { Refusal } from "../../../ground/kernel/index.ts";
import { type Operation, operation } from "../operation.ts";
import { lasting, version } from "./version.ts";

/** What the gateway's plugin asks. Its parameters are published nowhere, so none is refused before this server says that it does not decide. */
export const policyDecisions: readonly Operation[] = ["SearchAuthorizedActions", "EvaluatePolicy"].map((action) =>
  operation({
    version,
    action,
    callers: [...lasting, "temporary"],
    params: z.looseObject({}),
    act: () => Promise.reject(new Refusal("action_unsupported", "This server does not decide by policy sets.")),
  }),
);
