import type { House } from "../../compose.ts";
import type { Principal } from "../../ground/kernel/index.ts";
import type { Agent } from "../../identity/agents/index.ts";
import { adminOf } from "../../testing/stores.ts";

/** The operator of the tenant that the house begins with. */
export const admin = adminOf("default");

export const page = { limit: 50 };

/** An agent that asks, as it stands now. */
export const asking = (agent: Agent, tenant = "default"): Principal => ({
  tenant,
  caller: { kind: "agent", id: agent.id },
  agent,
  actors: [agent.id],
  method: "access_token",
  requestId: "req_test",
});

/** Makes an agent that asks. */
export const anAgent = async (house: House, name: string, more: Parameters<House["agents"]["update"]>[2] = {}): Promise<Principal> =>
  asking(await house.agents.create(admin, { ...more, name }));

/** What was read, as an object. */
export const valuesOf = ({ variables }: { readonly variables: readonly { readonly name: string; readonly value: string }[] }) =>
  Object.fromEntries(variables.map(({ name, value }) => [name, value]));

/** What the record tells of these actions, newest first. */
export const recorded = async (house: House, action: string) => (await house.audit.list("default", { action }, page)).items;

/** Everything that is stored of the room, and of the record. */
export const dumpOf = async ({ db }: House): Promise<string> =>
  JSON.stringify([
    await db.read.selectFrom("projects").selectAll().execute(),
    await db.read.selectFrom("variables").selectAll().execute(),
    await db.read.selectFrom("integrations").selectAll().execute(),
    await db.read.selectFrom("audit_events").selectAll().execute(),
  ]);
