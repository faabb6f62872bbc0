import { expect, test } from "vitest";
import { openIdentity } from "../../testing/identity.ts";
import { makesOneShape } from "../../testing/shapes.ts";
import { adminOf, eachStore } from "../../testing/stores.ts";
import type { Chain } from "./standing.ts";

const admin = adminOf("default");
const gone = { code: "unauthenticated" };

eachStore("a chain of actors", (fresh) => {
  /** A user, and three agents of which the first acts now, in their present epochs. */
  const open = async () => {
    const identity = await openIdentity(await fresh());
    const named = async (name: string) => {
      const { id, epoch } = await identity.agents.get("default", name);
      return { id, epoch };
    };
    for (const name of ["first", "second", "third"]) await identity.agents.create(admin, { name });
    const { id, epoch } = await identity.users.asserted(admin, (await named("first")).id, "alice");
    const user = { id, epoch };
    const chain: Chain = { actors: [await named("first"), await named("second"), await named("third")], user, tenantEpoch: 0 };
    const alone: Chain = { actors: [], user, tenantEpoch: 0 };
    return { identity, chain, alone, user, check: (what: Chain, tenant = "default") => identity.standing.chain(tenant, what) };
  };

  test("stands while everybody in it does, and answers who acts now and the epochs that a token of it would carry", async () => {
    const { identity, chain, alone, user, check } = await open();
    expect(await check(chain)).toMatchObject({ agent: { name: "first" }, user, tenantEpoch: 0 });
    expect(await check({ actors: chain.actors })).toMatchObject({ agent: { name: "first" }, user: undefined, tenantEpoch: 0 });
    expect(await check(alone)).toEqual({ agent: undefined, user, tenantEpoch: 0 });
    await identity.close();
  });

  test.each(["first", "second", "third"])(
    "falls with the %s agent of it: while it is suspended, after it is resumed, and once it is deleted",
    async (name) => {
      const { identity, chain, alone, check } = await open();
      await check(chain);
      await identity.agents.suspend(admin, name);
      await expect(check(chain)).rejects.toMatchObject({ code: "agent_suspended" });
      await identity.agents.resume(admin, name);
      await expect(check(chain)).rejects.toMatchObject(gone);
      await identity.agents.remove(admin, name);
      await expect(check(chain)).rejects.toMatchObject(gone);
      await expect(check(alone)).resolves.toMatchObject({ agent: undefined });
      await identity.close();
    },
  );

  test("falls with its user, with and without agents: suspended, resumed, revoked", async () => {
    const { identity, chain, alone, user, check } = await open();
    for (const each of [chain, alone]) await check(each);
    await identity.users.suspend(admin, user.id);
    for (const each of [chain, alone]) await expect(check(each)).rejects.toMatchObject({ code: "user_suspended" });
    await identity.users.resume(admin, user.id);
    for (const each of [chain, alone]) await expect(check(each)).rejects.toMatchObject(gone);
    await expect(check({ actors: chain.actors })).resolves.toMatchObject({ user: undefined });
    await identity.users.revoke(admin, user.id);
    const now = { actors: [], user: { id: user.id, epoch: (await identity.users.get("default", user.id)).epoch } };
    await expect(check(now)).rejects.toMatchObject({ code: "user_suspended" });
    await identity.close();
  });

  test("falls with its tenant, and is nobody's in another", async () => {
    const { identity, chain, alone, check } = await open();
    await identity.tenants.create(admin, "acme");
    for (const each of [chain, alone]) await expect(check(each, "acme")).rejects.toMatchObject(gone);
    const acme = adminOf("acme");
    await identity.agents.create(acme, { name: "scout" });
    const { id, epoch } = await identity.agents.get("acme", "scout");
    const person = await identity.users.asserted(acme, id, "bob");
    const there: Chain = { actors: [{ id, epoch }], user: { id: person.id, epoch: person.epoch }, tenantEpoch: 0 };
    const alsoThere: Chain = { ...there, actors: [] };
    for (const each of [there, alsoThere]) await check(each, "acme");
    await identity.tenants.suspend(admin, "acme");
    for (const each of [there, alsoThere]) await expect(check(each, "acme")).rejects.toMatchObject(gone);
    await identity.tenants.resume(admin, "acme");
    for (const each of [there, alsoThere]) await expect(check(each, "acme")).rejects.toMatchObject(gone);
    await identity.close();
  });

  test("of nobody does not stand", async () => {
    const { identity, check } = await open();
    await expect(check({ actors: [] })).rejects.toMatchObject(gone);
    await expect(check({ actors: [], user: { id: "usr_nobody", epoch: 0 } })).rejects.toMatchObject(gone);
    await expect(check({ actors: [{ id: "agt_nobody", epoch: 0 }] })).rejects.toMatchObject(gone);
    await identity.close();
  });

  test("that a principal carries is asked once more, whoever of it was stopped meanwhile", async () => {
    const { identity, chain, user } = await open();
    const { agent } = await identity.standing.chain("default", chain);
    if (!agent) throw new Error("An agent acts.");
    const actors = chain.actors.map(({ id }) => id);
    const who = { ...admin, caller: { kind: "agent" as const, id: agent.id }, agent, user, actors, method: "access_token" as const };
    const person = { ...admin, caller: { kind: "user" as const, id: user.id }, user, actors: [], method: "access_token" as const };
    for (const each of [who, person]) await identity.standing.alive(each);
    await identity.agents.suspend(admin, "third");
    await expect(identity.standing.alive(who)).rejects.toMatchObject({ code: "agent_suspended" });
    await identity.standing.alive(person);
    await identity.users.suspend(admin, user.id);
    await expect(identity.standing.alive(person)).rejects.toMatchObject({ code: "user_suspended" });
    await identity.close();
  });
});

eachStore("what is remembered of an agent", (fresh) => {
  test("has one shape for all agents, and is no more than what is asked of it", async () => {
    const { agents, standing, close } = await openIdentity(await fresh());
    const actor = async (n: number) => {
      const { name } = await agents.create(admin, { name: `agent-${n}` });
      return standing.actor("default", name);
    };
    expect(await makesOneShape(actor)).toBe(true);
    const [one, other] = [await standing.actor("default", "agent-1"), await standing.actor("default", "agent-2")];
    expect(other.agent.labels).toBe(one.agent.labels);
    expect(await standing.actor("default", "agent-1")).toBe(one);
    await close();
  });
});
