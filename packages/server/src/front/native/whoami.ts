import { operations } from "@legate/contract";
import type { Clock } from "../../ground/kernel/index.ts";
import type { Operators } from "../../identity/operators/index.ts";
import type { Tenants } from "../../identity/tenants/index.ts";
import { moment } from "./encode.ts";
import type { Serve } from "./serve.ts";

interface Rooms {
  readonly tenants: Pick<Tenants, "get" | "issuerOf">;
  readonly operators: Pick<Operators, "get">;
  readonly region: string;
  readonly clock: Clock;
}

export const serveWhoami = (serve: Serve, { tenants, operators, region, clock }: Rooms): void => {
  serve(operations.whoami, async ({ who }) => {
    const { accountId } = await tenants.get(who.tenant);
    const { caller, agent } = who;
    const operator = caller.kind === "operator" ? await operators.get(who.tenant, caller.id) : undefined;
    return {
      tenant: who.tenant,
      issuer: tenants.issuerOf(who.tenant),
      accountId,
      region,
      caller: {
        kind: caller.kind,
        ...(caller.kind !== "anonymous" && { id: caller.id }),
        ...(operator && { name: operator.name, role: operator.role }),
        ...(caller.kind === "agent" && agent?.id === caller.id && { name: agent.name }),
      },
      ...(agent && { agent: { id: agent.id, name: agent.name, project: agent.project } }),
      method: who.method,
      ...(who.address !== undefined && { address: who.address }),
      now: moment(clock()),
    };
  });
};
