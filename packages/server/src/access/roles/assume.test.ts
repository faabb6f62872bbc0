import { afterEach, describe, expect, test } from "vitest";
import type { ActingAgent, Principal } from "../../ground/kernel/index.ts";
import { eachStore } from "../../testing/stores.ts";
import { allowing, getKey, getToken, hour, type OpenRoles, openRoles, policyOf, trusting } from "./roles-for-tests.ts";

const had = (who: Principal): ActingAgent => {
  if (!who.agent) throw new Error("Nobody acts.");
  return who.agent;
};

eachStore("a role that is taken on", (fresh) => {
  let open: OpenRoles;
  afterEach(() => open.close());

  const begin = async () => {
    open = await openRoles(await fresh());
    const { house, admin, arns } = open;
    await house.agents.create(admin, { name: "scout", roleArn: "reader" });
    const things = [arns.agent("scout"), arns.oauth2Provider("default", "git")];
    /** Whether a session may fetch a token now, by what its key remembers of it. */
    const may = async (who: Principal, of: { roleArn: string; roleId?: string | undefined; sessionPolicy?: string }, action = getToken) =>
      (await house.roles.rightsOf("default", { agent: had(who), ...of }))(action, things);
    return { ...open, things, may };
  };

  test("gives a key for as long as is asked, which carries agent, user, role and session, and one row tells of it", async () => {
    const { roles, admin, arns, worker, hand, everything, house } = await begin();
    const role = await roles.create(admin, {
      name: "reader",
      trustPolicy: trusting(arns.agent("scout")),
      permissionPolicy: allowing(getToken),
    });
    const who = await worker("scout", "alice");
    const given = await roles.assume(who, { sessionName: "nightly", seconds: 900 });
    expect(given).toMatchObject({ roleArn: role.arn, roleId: role.id, sessionName: "nightly", expiresAt: hand.clock() + 900_000 });
    const lasting = await roles.assume(who, {});
    expect(lasting).toMatchObject({ sessionName: "scout", expiresAt: hand.clock() + hour });
    const row = await house.db.read.selectFrom("access_keys").selectAll().where("id", "=", given.accessKeyId).executeTakeFirstOrThrow();
    expect(row).toMatchObject({
      agent_id: who.agent?.id,
      user_id: who.user?.id,
      role_arn: role.arn,
      role_id: role.id,
      session_name: "nightly",
    });
    const [last, event] = (await house.audit.list("default", {}, { limit: 2 })).items;
    expect(last).toMatchObject({ action: "role.assumed", target: lasting.accessKeyId });
    expect(event).toMatchObject({
      action: "role.assumed",
      target: given.accessKeyId,
      agent: who.agent?.id,
      user: who.user?.id,
      details: { role: role.arn, roleId: role.id, session: "nightly", expiresAt: given.expiresAt, narrowed: false },
    });
    const all = await everything();
    for (const secret of [given.accessKeySecret, given.securityToken]) expect(all).not.toContain(secret);
  });

  test("is the one that is named, by name, id or ARN, else the agent's own; one there is not is refused", async () => {
    const { roles, admin, worker, house } = await begin();
    const own = await roles.create(admin, { name: "reader" });
    const other = await roles.create(admin, { name: "writer" });
    const who = await worker("scout");
    expect((await roles.assume(who, {})).roleId).toBe(own.id);
    for (const role of ["writer", other.id, other.arn]) expect((await roles.assume(who, { role })).roleId).toBe(other.id);
    for (const role of ["nobody", "Writer", `rol_${"0".repeat(32)}`, "acs:ram::1:role/writer"])
      await expect(roles.assume(who, { role }), role).rejects.toMatchObject({ code: "role_unknown" });
    await house.agents.create(admin, { name: "plain" });
    await expect(roles.assume(await worker("plain"), {})).rejects.toMatchObject({ code: "role_required" });
  });

  test("lets in whom its list and its trust policy let in, both, and the record tells who was turned away", async () => {
    const { roles, admin, arns, worker, house, events } = await begin();
    await house.agents.create(admin, { name: "clerk", roleArn: "reader" });
    const role = await roles.create(admin, { name: "reader", agents: ["clerk"], trustPolicy: trusting(arns.agent("scout")) });
    const refused = { code: "role_refused", details: { role: "reader" } };
    await expect(roles.assume(await worker("scout"), {})).rejects.toMatchObject(refused);
    await expect(roles.assume(await worker("clerk"), {})).rejects.toMatchObject(refused);
    await roles.update(admin, "reader", { agents: ["*"] });
    await expect(roles.assume(await worker("scout"), {})).resolves.toMatchObject({ roleId: role.id });
    await expect(roles.assume(await worker("clerk"), {})).rejects.toMatchObject(refused);
    await roles.update(admin, "reader", { trustPolicy: null });
    await expect(roles.assume(await worker("clerk"), {})).resolves.toMatchObject({ roleId: role.id });
    expect((await events("role.refused"))[0]).toMatchObject({
      target: role.id,
      outcome: "refused",
      details: { reason: "not_let_in", role: role.arn },
    });
  });

  test("permits what its policies permit, live: a change bites at once, and with none it permits nothing", async () => {
    const { roles, admin, worker, may, arns } = await begin();
    await roles.create(admin, { name: "reader" });
    const who = await worker("scout");
    const session = await roles.assume(who, {});
    expect(await may(who, session)).toBe(false);
    await roles.update(admin, "reader", { permissionPolicy: allowing(getToken) });
    expect(await may(who, session)).toBe(true);
    expect(await may(who, session, getKey)).toBe(false);
    await roles.attach(admin, "reader", { type: "System", name: "AliyunAgentIdentityDataGetCredentialAccess" });
    expect(await may(who, session, getKey)).toBe(true);
    await roles.policies.create(admin, {
      name: "not-git",
      document: policyOf({ Effect: "Deny", Action: "*", Resource: arns.oauth2Provider("*", "git") }),
    });
    await roles.attach(admin, "reader", { type: "Custom", name: "not-git" });
    expect(await may(who, session)).toBe(false);
    await roles.detach(admin, "reader", { type: "Custom", name: "not-git" });
    expect(await may(who, session)).toBe(true);
    await roles.update(admin, "reader", { agents: [] });
    expect(await may(who, session)).toBe(false);
    await roles.update(admin, "reader", { agents: ["scout"], trustPolicy: trusting(arns.agent("somebody-else")) });
    expect(await may(who, session)).toBe(false);
  });

  test("permits nothing once it is deleted, also when another one gets its name", async () => {
    const { roles, admin, worker, may } = await begin();
    await roles.create(admin, { name: "reader", permissionPolicy: allowing(getKey) });
    const who = await worker("scout");
    const session = await roles.assume(who, {});
    await roles.remove(admin, "reader");
    expect(await may(who, session)).toBe(false);
    expect(await may(who, session, getKey)).toBe(false);
    await roles.create(admin, { name: "reader", permissionPolicy: allowing("*") });
    expect(await may(who, session, getKey)).toBe(false);
  });

  test("of our own that is not there is refused, whether it was deleted or never was: neither widens what an agent may do", async () => {
    const { roles, admin, worker, may, arns, house } = await begin();
    await roles.create(admin, { name: "reader", permissionPolicy: allowing(getKey) });
    const who = await worker("scout");
    await roles.assume(who, {});
    await roles.remove(admin, "reader");
    await expect(roles.assume(who, {})).rejects.toMatchObject({ code: "role_unknown", details: { role: "reader" } });
    await expect(roles.assume(who, { role: "reader" })).rejects.toMatchObject({ code: "role_unknown" });
    const [, own = ""] = /^acs:ram::(\d{16}):/.exec(arns.role("reader")) ?? [];
    for (const roleArn of [
      "Reader",
      arns.role("reader"),
      arns.role("reeder"),
      `rol_${"0".repeat(32)}`,
      `acs:ram:: ${own}:role/reader`,
      `acs:ram:cn-beijing:${own}:role/reader`,
      "acs:ram::9999999999999999:user/reader",
      "acs:ram::9999999999999999:role/",
      "arn:aws:iam::123456789012:role/reader",
    ]) {
      await house.agents.update(admin, "scout", { roleArn });
      await expect(roles.assume(await worker("scout"), {}), roleArn).rejects.toMatchObject({ code: "role_unknown" });
      expect(await may(who, { roleArn }), roleArn).toBe(false);
    }
    expect(await house.db.read.selectFrom("access_keys").select("role_id").where("role_id", "is", null).execute()).toEqual([]);
  });

  test("of another account, and that no row has, permits what the agent may do itself, until somebody makes it", async () => {
    const { roles, admin, worker, may, house } = await begin();
    const roleArn = "acs:ram::9999999999999999:role/elsewhere";
    await house.agents.update(admin, "scout", { roleArn });
    const who = await worker("scout");
    const session = await roles.assume(who, {});
    expect(session).toMatchObject({ roleArn, roleId: expect.stringMatching(/^rol_[0-9a-f]{32}$/) });
    expect((await roles.assume(who, { role: roleArn })).roleId).toBe(session.roleId);
    await expect(roles.assume(who, { role: `${roleArn}-2` })).rejects.toMatchObject({ code: "role_unknown" });
    const row = await house.db.read.selectFrom("access_keys").select("role_id").where("id", "=", session.accessKeyId).executeTakeFirst();
    expect(row).toEqual({ role_id: null });
    expect(await may(who, { roleArn })).toBe(true);
    expect(await may(who, { roleArn, sessionPolicy: allowing(getKey) })).toBe(false);
    await roles.create(admin, {
      name: "elsewhere",
      cloud: { provider: "alibaba", roleArn, oidcProviderArn: "acs:ram::9999999999999999:oidc-provider/legate" },
    });
    expect(await may(who, { roleArn })).toBe(false);
  });

  describe("with a policy of the session", () => {
    test("permits only what both permit", async () => {
      const { roles, admin, worker, may, arns } = await begin();
      await roles.create(admin, { name: "reader", permissionPolicy: allowing(getToken) });
      const who = await worker("scout");
      const session = await roles.assume(who, {});
      expect(await may(who, { ...session, sessionPolicy: allowing("*") })).toBe(true);
      expect(await may(who, { ...session, sessionPolicy: allowing("*") }, getKey)).toBe(false);
      expect(await may(who, { ...session, sessionPolicy: allowing(getKey) })).toBe(false);
      expect(await may(who, { ...session, sessionPolicy: allowing(getToken, arns.oauth2Provider("default", "git")) })).toBe(false);
      expect(await may(who, { ...session, sessionPolicy: "{" })).toBe(false);
    });

    test("that does not parse is refused, and nothing is given", async () => {
      const { roles, admin, worker, house } = await begin();
      await roles.create(admin, { name: "reader" });
      const who = await worker("scout");
      for (const policy of [
        "",
        "{",
        "[]",
        "null",
        '{"Version":"1","Version":"1","Statement":[]}',
        "[".repeat(2_000),
        `"${"x".repeat(3_000)}"`,
      ])
        await expect(roles.assume(who, { policy }), policy.slice(0, 20)).rejects.toMatchObject({ code: "policy_invalid" });
      expect(await house.db.read.selectFrom("access_keys").selectAll().execute()).toEqual([]);
    });
  });

  test("is asked for with a name and a life that are allowed", async () => {
    const { roles, admin, worker } = await begin();
    await roles.create(admin, { name: "reader" });
    const who = await worker("scout");
    for (const sessionName of ["", "x", "a b", "x".repeat(65), "ä".repeat(3), "a/b", "a\nb"])
      await expect(roles.assume(who, { sessionName }), sessionName).rejects.toMatchObject({ code: "invalid_request" });
    for (const seconds of [0, -1, 899, 43_201, 900.5, Number.NaN, Number.POSITIVE_INFINITY])
      await expect(roles.assume(who, { seconds }), String(seconds)).rejects.toMatchObject({ code: "invalid_request" });
    await expect(roles.assume(who, { seconds: 43_200, sessionName: "a=b,c@d.e-f_g" })).resolves.toBeDefined();
  });

  test("is taken on with a workload access token and with nothing else", async () => {
    const { roles, admin, worker } = await begin();
    await roles.create(admin, { name: "reader" });
    const who = await worker("scout");
    for (const method of ["temporary_key", "access_key", "agent_key", "access_token", "client_secret"] as const)
      await expect(roles.assume({ ...who, method }, {}), method).rejects.toMatchObject({ code: "forbidden" });
    await expect(roles.assume(admin, { role: "reader" })).rejects.toMatchObject({ code: "forbidden" });
  });

  test("is given to nobody who was stopped since the token was", async () => {
    const { roles, admin, worker, house } = await begin();
    await roles.create(admin, { name: "reader" });
    const who = await worker("scout", "alice");
    await house.users.suspend(admin, who.user?.id ?? "");
    await expect(roles.assume(who, {})).rejects.toMatchObject({ code: "user_suspended" });
    const alone = await worker("scout");
    await house.agents.suspend(admin, "scout");
    await expect(roles.assume(alone, {})).rejects.toMatchObject({ code: "agent_suspended" });
    await house.agents.resume(admin, "scout");
    await expect(roles.assume(alone, {})).rejects.toMatchObject({ code: "unauthenticated" });
    expect(await house.db.read.selectFrom("access_keys").selectAll().execute()).toEqual([]);
  });

  describe("through a provider", () => {
    test("is the provider's role, to the agents that it lists, while it is not suspended, and the record says through what", async () => {
      const { roles, admin, worker, house, events } = await begin();
      await house.agents.create(admin, { name: "clerk", roleArn: "reader" });
      const own = await roles.create(admin, { name: "reader" });
      const writer = await roles.create(admin, { name: "writer" });
      const provider = await house.providers.create(admin, { type: "sts", name: "writing", agents: ["scout"], roleArn: "writer" });
      await house.providers.create(admin, { type: "sts", name: "own" });
      await house.providers.create(admin, { type: "sts", name: "gone", roleArn: "nobody" });
      await house.providers.create(admin, { type: "api_key", name: "maps", apiKey: "x" });
      const who = await worker("scout");
      expect((await house.vault.sts(who, { provider: "writing", durationSeconds: 900, sessionName: "aa" })).roleId).toBe(writer.id);
      expect((await house.vault.sts(who, { provider: "own" })).roleId).toBe(own.id);
      expect((await house.vault.sts(who, {})).roleId).toBe(own.id);
      expect((await events("role.assumed")).map(({ details }) => details["provider"])).toContain(provider.id);
      await expect(house.vault.sts(await worker("clerk"), { provider: "writing" })).rejects.toMatchObject({ code: "provider_unknown" });
      await expect(house.vault.sts(who, { provider: "gone" })).rejects.toMatchObject({ code: "role_unknown" });
      await expect(house.vault.sts(who, { provider: "maps" })).rejects.toMatchObject({ code: "provider_wrong_type" });
      await expect(house.vault.oauth2(who, { provider: "own" })).rejects.toMatchObject({ code: "provider_wrong_type" });
      await expect(house.vault.apiKey(who, { provider: "own" })).rejects.toMatchObject({ code: "provider_wrong_type" });
      await house.providers.update(admin, undefined, "writing", { roleArn: null });
      expect((await house.vault.sts(who, { provider: "writing" })).roleId).toBe(own.id);
      await house.providers.suspend(admin, undefined, "writing");
      await expect(house.vault.sts(who, { provider: "writing" })).rejects.toMatchObject({ code: "provider_suspended" });
    });

    test("is no integration of a project", async () => {
      const { admin, house } = await begin();
      await house.providers.create(admin, { type: "sts", name: "own" });
      await expect(house.projects.integrationsOf.put(admin, "default", "cloud", { provider: "own" })).rejects.toMatchObject({
        code: "provider_wrong_type",
      });
    });
  });
});
