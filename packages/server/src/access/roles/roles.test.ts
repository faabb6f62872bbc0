import { afterEach, expect, test } from "vitest";
import { counters } from "../../ground/db/index.ts";
import { refusalOf } from "../../testing/refused.ts";
import { adminOf, eachStore } from "../../testing/stores.ts";
import { allowing, getKey, getToken, type OpenRoles, openRoles, trusting } from "./roles-for-tests.ts";

eachStore("roles", (fresh) => {
  let open: OpenRoles;
  afterEach(() => open.close());

  test("are made, read by name, id and ARN, changed and deleted, each with its row", async () => {
    open = await openRoles(await fresh());
    const { roles, admin, arns, house, events } = open;
    const scout = await house.agents.create(admin, { name: "scout" });
    const role = await roles.create(admin, {
      name: "reader",
      description: "Reads.",
      agents: ["scout", "label:team=a"],
      trustPolicy: trusting(arns.agent("scout")),
      permissionPolicy: allowing(getToken),
    });
    expect(role).toMatchObject({ name: "reader", arn: arns.role("reader"), agents: [scout.id, "label:team=a"], version: 1 });
    for (const ref of ["reader", role.id, role.arn]) await expect(roles.get("default", ref)).resolves.toEqual(role);
    for (const ref of ["READER", role.arn.toLowerCase().replace("role/", "Role/"), `rol_${"0".repeat(32)}`, "", "%"])
      await expect(roles.get("default", ref), ref).rejects.toMatchObject({ code: "role_unknown" });
    const changed = await roles.update(admin, "reader", { description: null, agents: ["*"], trustPolicy: null });
    expect(changed).toMatchObject({ description: undefined, agents: ["*"], trustPolicy: undefined, version: 2 });
    expect(changed.permissionPolicy).toBe(role.permissionPolicy);
    await expect(roles.get("default", "reader")).resolves.toEqual(changed);
    expect((await roles.list("default", { limit: 10 })).items).toEqual([changed]);
    await roles.remove(admin, "reader");
    await expect(roles.get("default", "reader")).rejects.toMatchObject({ code: "role_unknown" });
    expect((await events("role.created"))[0]).toMatchObject({ target: role.id, details: { name: "reader", arn: role.arn } });
    expect((await events("role.updated"))[0]).toMatchObject({ details: { fields: ["description", "agents", "trustPolicy"] } });
    expect(await events("role.deleted")).toHaveLength(1);
  });

  test("of one tenant are nothing to another, whose may have the same names", async () => {
    open = await openRoles(await fresh());
    const { roles, admin, house } = open;
    await house.tenants.create(admin, "acme");
    const ours = await roles.create(admin, { name: "reader" });
    const theirs = await roles.create(adminOf("acme"), { name: "reader" });
    expect(theirs.arn).not.toBe(ours.arn);
    for (const ref of [ours.id, ours.arn]) await expect(roles.get("acme", ref)).rejects.toMatchObject({ code: "role_unknown" });
    await roles.policies.create(admin, { name: "read", document: allowing(getToken) });
    await expect(roles.attach(adminOf("acme"), "reader", { type: "Custom", name: "read" })).rejects.toMatchObject({
      code: "policy_unknown",
    });
    await roles.remove(adminOf("acme"), "reader");
    await expect(roles.get("default", "reader")).resolves.toMatchObject({ id: ours.id });
  });

  test("have names of their own, a name and an ARN once", async () => {
    open = await openRoles(await fresh());
    const { roles, admin } = open;
    const aws = { provider: "aws", roleArn: "arn:aws:iam::123456789012:role/reader" } as const;
    await roles.create(admin, { name: "reader" });
    await roles.create(admin, { name: "cloud", cloud: aws });
    await expect(roles.create(admin, { name: "reader" })).rejects.toMatchObject({ code: "role_exists" });
    await expect(roles.create(admin, { name: "again", cloud: aws })).rejects.toMatchObject({ code: "role_exists" });
    await roles.create(admin, { name: "other", cloud: { ...aws, roleArn: "arn:aws:iam::123456789012:role/other" } });
    await expect(roles.update(admin, "other", { cloud: aws })).rejects.toMatchObject({ code: "role_exists" });
    for (const name of ["", `rol_${"0".repeat(32)}`, "a b", "a:b", "a/b", "x".repeat(65), "ä"])
      await expect(roles.create(admin, { name }), name).rejects.toMatchObject({ code: "invalid_request" });
    await expect(roles.create(admin, { name: "fresh", agents: ["nobody"] })).rejects.toMatchObject({ code: "agent_unknown" });
  });

  test("are a thousand at most, and 1,500 policies that stand by themselves, however many are made at once", async () => {
    open = await openRoles(await fresh());
    const { roles, admin, house } = open;
    const count = (name: "roles" | "role_policies") => counters.read(house.db.read, "default", name);
    const four = (make: (name: string) => Promise<unknown>) => Promise.all(["a", "b", "c", "d"].map((name) => refusalOf(make(name))));
    const document = allowing(getToken);

    await roles.create(admin, { name: "reader" });
    await expect(roles.create(admin, { name: "reader" })).rejects.toMatchObject({ code: "role_exists" });
    await house.db.write((tx) => counters.add(tx, "default", "roles", 997));
    expect((await four((name) => roles.create(admin, { name }))).sort()).toEqual([
      "nothing refused",
      "nothing refused",
      "too_many",
      "too_many",
    ]);
    expect([await count("roles"), (await roles.list("default", { limit: 10 })).items.length]).toEqual([1_000, 3]);
    await expect(roles.create(admin, { name: "fresh" })).rejects.toMatchObject({ code: "too_many", details: { limit: 1_000 } });
    await expect(roles.get("default", "fresh")).rejects.toMatchObject({ code: "role_unknown" });
    const gone = await Promise.all([1, 2, 3].map(() => refusalOf(roles.remove(admin, "reader"))));
    expect(gone.sort()).toEqual(["nothing refused", "role_unknown", "role_unknown"]);
    expect(await count("roles")).toBe(999);
    await roles.create(admin, { name: "fresh" });

    await roles.policies.create(admin, { name: "read", document });
    await expect(roles.policies.create(admin, { name: "read", document })).rejects.toMatchObject({ code: "policy_exists" });
    await house.db.write((tx) => counters.add(tx, "default", "role_policies", 1_497));
    expect((await four((name) => roles.policies.create(admin, { name, document }))).sort()).toEqual([
      "nothing refused",
      "nothing refused",
      "too_many",
      "too_many",
    ]);
    await roles.policies.remove(admin, "read");
    expect(await count("role_policies")).toBe(1_499);
  });

  test("of a cloud stay that cloud's, may do what the cloud says, and are shown at no address of ours or of this network", async () => {
    open = await openRoles(await fresh());
    const { roles, admin } = open;
    const aws = { provider: "aws", roleArn: "arn:aws:iam::123456789012:role/reader" } as const;
    const alibaba = {
      provider: "alibaba",
      roleArn: "acs:ram::1234567890123456:role/reader",
      oidcProviderArn: "acs:ram::1234567890123456:oidc-provider/legate",
    } as const;
    const role = await roles.create(admin, { name: "cloud", cloud: aws });
    expect(role.arn).toBe(aws.roleArn);
    expect((await roles.update(admin, "cloud", { cloud: { ...aws, region: "eu-west-1" } })).cloud).toEqual({ ...aws, region: "eu-west-1" });
    await roles.create(admin, { name: "ours" });
    const no = { code: "invalid_request" };
    await expect(roles.update(admin, "cloud", { cloud: alibaba })).rejects.toMatchObject(no);
    await expect(roles.update(admin, "ours", { cloud: aws })).rejects.toMatchObject(no);
    await expect(roles.update(admin, "cloud", { permissionPolicy: allowing("*") })).rejects.toMatchObject(no);
    await expect(roles.attach(admin, "cloud", { type: "System", name: "AliyunAgentIdentityFullAccess" })).rejects.toMatchObject(no);
    for (const stsEndpoint of [
      "https://169.254.169.254/",
      "https://10.0.0.1/",
      "https://sts.example.com/?a=b",
      "https://user@sts.example.com/",
    ])
      await expect(roles.create(admin, { name: "x", cloud: { ...alibaba, stsEndpoint } }), stsEndpoint).rejects.toMatchObject(no);
    for (const audience of ["http://127.0.0.1:8700", "http://127.0.0.1:8700/vault", "http://127.0.0.1:8700/t/acme/vault"])
      await expect(roles.create(admin, { name: "x", cloud: { ...alibaba, audience } }), audience).rejects.toMatchObject(no);
  });

  test("lose a deleted agent's entry, and then let in who is left", async () => {
    open = await openRoles(await fresh());
    const { roles, admin, house } = open;
    await house.agents.create(admin, { name: "scout" });
    const clerk = await house.agents.create(admin, { name: "clerk" });
    await roles.create(admin, { name: "reader", agents: ["scout", "clerk"] });
    await roles.create(admin, { name: "alone", agents: ["scout"] });
    await house.agents.remove(admin, "scout");
    expect((await roles.get("default", "reader")).agents).toEqual([clerk.id]);
    expect((await roles.get("default", "alone")).agents).toEqual([]);
  });

  test("have policies attached, which stay as long as they are", async () => {
    open = await openRoles(await fresh());
    const { roles, admin, events } = open;
    await roles.create(admin, { name: "reader" });
    const read = { type: "Custom", name: "read" } as const;
    const system = { type: "System", name: "AliyunAgentIdentityDataGetCredentialAccess" } as const;
    await roles.policies.create(admin, { name: "read", document: allowing(getToken), description: "Reads." });
    await expect(roles.policies.create(admin, { name: "read", document: allowing(getKey) })).rejects.toMatchObject({
      code: "policy_exists",
    });
    await expect(roles.policies.create(admin, { name: system.name, document: allowing("*") })).rejects.toMatchObject({
      code: "policy_exists",
    });
    await expect(roles.policies.create(admin, { name: "a/b", document: allowing("*") })).rejects.toMatchObject({ code: "invalid_request" });
    await expect(roles.policies.create(admin, { name: "bad", document: "{}" })).rejects.toMatchObject({
      code: "policy_invalid",
      details: { issues: [{ path: "document.Version" }, { path: "document.Statement" }] },
    });
    expect(await roles.attach(admin, "reader", read)).toBe(true);
    expect(await roles.attach(admin, "reader", read)).toBe(false);
    expect(await roles.attach(admin, "reader", system)).toBe(true);
    await expect(roles.attach(admin, "reader", { type: "Custom", name: "none" })).rejects.toMatchObject({ code: "policy_unknown" });
    await expect(roles.attach(admin, "reader", { type: "System", name: "read" })).rejects.toMatchObject({ code: "policy_unknown" });
    await expect(roles.attach(admin, "nobody", read)).rejects.toMatchObject({ code: "role_unknown" });
    expect((await roles.attached("default", "reader")).map(({ type, name, description }) => [type, name, description])).toEqual([
      ["Custom", "read", "Reads."],
      ["System", system.name, "Getting credentials."],
    ]);
    await expect(roles.policies.get("default", "read")).resolves.toMatchObject({ document: allowing(getToken) });
    await expect(roles.policies.get("default", system.name)).rejects.toMatchObject({ code: "policy_unknown" });
    await expect(roles.policies.get("default", system.name, "System")).resolves.toMatchObject({ type: "System" });
    await expect(roles.policies.remove(admin, "read")).rejects.toMatchObject({ code: "role_in_use" });
    await expect(roles.remove(admin, "reader")).rejects.toMatchObject({ code: "role_in_use" });
    await roles.detach(admin, "reader", read);
    await expect(roles.detach(admin, "reader", read)).rejects.toMatchObject({ code: "policy_unknown" });
    await roles.policies.remove(admin, "read");
    await expect(roles.policies.remove(admin, "read")).rejects.toMatchObject({ code: "policy_unknown" });
    await roles.remove(admin, "reader", { detaching: true });
    const actions = ["role_policy.created", "role.policy_attached", "role.policy_detached", "role_policy.deleted", "role.deleted"];
    const counts = await Promise.all(actions.map(async (action) => (await events(action)).length));
    expect(counts).toEqual([1, 2, 1, 1, 1]);
  });

  test("have at most 20 policies attached", async () => {
    open = await openRoles(await fresh());
    const { roles, admin } = open;
    await roles.create(admin, { name: "reader" });
    for (let n = 0; n <= 20; n += 1) await roles.policies.create(admin, { name: `p${n}`, document: allowing(getToken) });
    for (let n = 0; n < 20; n += 1) await roles.attach(admin, "reader", { type: "Custom", name: `p${n}` });
    await expect(roles.attach(admin, "reader", { type: "Custom", name: "p20" })).rejects.toMatchObject({ code: "too_many" });
    expect(await roles.attached("default", "reader")).toHaveLength(20);
  });
});
