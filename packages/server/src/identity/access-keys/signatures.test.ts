import { expect, test } from "vitest";
import { type Principal, Refusal } from "../../ground/kernel/index.ts";
import { makeReplay } from "../../ground/replay/index.ts";
import { signRequest, type ToSign } from "../../testing/acs3.ts";
import { openIdentity } from "../../testing/identity.ts";
import { recordStatements } from "../../testing/recorded-statements.ts";
import { refusalOf } from "../../testing/refused.ts";
import { adminOf, eachStore } from "../../testing/stores.ts";
import { makeSignatures } from "./signatures.ts";

const admin: Principal = { ...adminOf("default"), caller: { kind: "operator", id: "op_admin", role: "admin" } };
const source = { requestId: "r", address: "192.0.2.1" };
const minute = 60_000;

eachStore("what signs a request", (fresh) => {
  const open = async () => {
    const identity = await openIdentity(await fresh());
    const { accessKeys, hand, db } = identity;
    await identity.operators.installAdminKey(undefined);
    const agent = await identity.agents.create(admin, { name: "scout" });
    const keyOf = async (rights: "admin" | { readonly agent: string }) => {
      const { accessKeyId, accessKeySecret } = await accessKeys.create(admin, { rights });
      return { accessKeyId, secret: accessKeySecret };
    };
    const temporary = async () => {
      const ask = { agent, tenantEpoch: 0, roleArn: "r", sessionName: "s", seconds: 3600 };
      const { accessKeyId, accessKeySecret, securityToken } = await accessKeys.issueTemporary(admin, ask);
      return { accessKeyId, secret: accessKeySecret, securityToken };
    };
    const sign = (key: Pick<ToSign, "accessKeyId" | "secret" | "securityToken">, more: Partial<ToSign> = {}) =>
      signRequest({ ...key, action: "GetCallerIdentity", version: "2015-04-01", date: hand.clock(), ...more });
    /** Asks once, and counts it. */
    const ask = async (request: ReturnType<typeof sign>) => {
      const signed = await accessKeys.signer(request, source);
      await accessKeys.use(admin, signed);
      return signed.holder;
    };
    const used = async (id: string) =>
      (await db.read.selectFrom("access_keys").select("last_used_at").where("id", "=", id).executeTakeFirst())?.last_used_at;
    return { ...identity, agent, keyOf, temporary, sign, ask, used };
  };

  test("is a key, and whose it is", async () => {
    const { keyOf, temporary, sign, ask, agent, hand, close } = await open();
    const [mine, its, its_for_a_while] = [await keyOf("admin"), await keyOf({ agent: "scout" }), await temporary()];
    expect(await ask(sign(mine))).toEqual({ tenant: "default", id: mine.accessKeyId, of: { kind: "operator", id: "op_admin" } });
    expect(await ask(sign(its))).toEqual({ tenant: "default", id: its.accessKeyId, of: { kind: "agent", id: agent.id } });
    expect(await ask(sign(its_for_a_while))).toMatchObject({
      id: its_for_a_while.accessKeyId,
      of: {
        kind: "session",
        id: agent.id,
        session: { agentEpoch: 0, tenantEpoch: 0, roleArn: "r", name: "s", expiresAt: hand.clock() + 60 * minute },
      },
    });
    expect(JSON.stringify(await ask(sign(mine)))).not.toContain("aks_");
    await close();
  });

  test("costs one insert once its key is known, and the note of when it was used once a minute", async () => {
    const { keyOf, temporary, sign, ask, used, hand, db, close } = await open();
    for (const [key, isLasting] of [
      [await keyOf({ agent: "scout" }), true],
      [await temporary(), false],
    ] as const) {
      await ask(sign(key));
      const first = await used(key.accessKeyId);
      expect(first).toBe(isLasting ? hand.clock() : null);
      hand.forward(minute - 1);
      const recorded = recordStatements();
      await ask(sign(key));
      await ask(sign(key));
      recorded.stop();
      const about = recorded.seen().filter((sql) => !/^(begin|commit|savepoint|release|rollback)/i.test(sql));
      if (db.engine === "sqlite") for (const sql of about) expect(sql).toMatch(/^insert into "used_once"/);
      expect(await used(key.accessKeyId)).toBe(first);
      hand.forward(1);
      await ask(sign(key));
      expect(await used(key.accessKeyId)).toBe(isLasting ? hand.clock() : null);
    }
    await close();
  });

  test("is noted as used once for all that come together, and not again by a replica that has not heard of it", async () => {
    const { keyOf, sign, used, seal, audit, hand, db, close } = await open();
    const key = await keyOf("admin");
    let writes = 0;
    const counting = { ...db, write: ((run) => ((writes += 1), db.write(run))) as typeof db.write };
    const { signer, use } = makeSignatures({ db: counting, audit, seal, replay: makeReplay({ db, clock: hand.clock }), clock: hand.clock });
    // As a key is remembered: all its requests have this in common.
    const touched = { at: 0 };
    const eight = async () => {
      const signed = await Promise.all(Array.from({ length: 8 }, () => signer(sign(key), source)));
      await Promise.all(signed.map((each) => use(admin, { ...each, touched })));
    };
    await eight();
    expect(writes).toBe(1);
    const first = hand.clock();
    expect(await used(key.accessKeyId)).toBe(first);
    hand.forward(minute - 1);
    await use(admin, { ...(await signer(sign(key), source)), touched: { at: 0 } });
    expect(await used(key.accessKeyId)).toBe(first);
    hand.forward(1);
    writes = 0;
    await eight();
    expect(writes).toBe(1);
    expect(await used(key.accessKeyId)).toBe(first + minute);
    await close();
  });

  test("holds also where nobody can note that its key was used", async () => {
    const { keyOf, sign, used, seal, audit, hand, db, close } = await open();
    const key = await keyOf("admin");
    const full = { ...db, write: () => Promise.reject(new Refusal("unavailable", "The disk is full.")) };
    const { signer, use } = makeSignatures({ db: full, audit, seal, replay: makeReplay({ db, clock: hand.clock }), clock: hand.clock });
    await use(admin, await signer(sign(key), source));
    expect(await used(key.accessKeyId)).toBeNull();
    await close();
  });

  test("is not known any more once its key, its agent, its user, its admin or its tenant is gone, or its admin has another key", async () => {
    const { keyOf, temporary, sign, ask, accessKeys, operators, tenants, agents, db, close } = await open();
    const gone = (key: Awaited<ReturnType<typeof keyOf>>) => refusalOf(ask(sign(key)));
    const deleted = await keyOf("admin");
    await ask(sign(deleted));
    await accessKeys.remove(admin, deleted.accessKeyId);
    expect(await gone(deleted)).toBe("access_key_unknown");

    const its = [await keyOf({ agent: "scout" }), await temporary()];
    for (const key of its) await ask(sign(key));
    await agents.remove(admin, "scout");
    for (const key of its) expect(await gone(key)).toBe("access_key_unknown");

    for (const end of ["remove", "demote"] as const) {
      const { id } = await operators.create(admin, { name: end, role: "admin" });
      const { accessKeyId, accessKeySecret } = await accessKeys.create({ ...admin, caller: { kind: "operator", id, role: "admin" } }, {});
      const key = { accessKeyId, secret: accessKeySecret };
      await ask(sign(key));
      if (end === "remove") await operators.remove(admin, id);
      else await operators.update(admin, id, { role: "operator" });
      expect(await gone(key), end).toBe("access_key_unknown");
      if (end === "demote") await operators.update(admin, id, { role: "admin" });
      expect(await gone(key), end).toBe("access_key_unknown");
    }

    for (const who of ["deputy", "op_admin"] as const) {
      const id = who === "op_admin" ? who : (await operators.create(admin, { name: who, role: "admin" })).id;
      const { accessKeyId, accessKeySecret } = await accessKeys.create({ ...admin, caller: { kind: "operator", id, role: "admin" } }, {});
      const key = { accessKeyId, secret: accessKeySecret };
      await ask(sign(key));
      await operators.rotateKey(admin, id);
      expect(await gone(key), who).toBe("access_key_unknown");
    }

    // As LEGATE_ADMIN_KEY says another one than before: only then.
    await operators.installAdminKey("correct-horse-battery-staple-correct");
    const first = await keyOf("admin");
    await operators.installAdminKey("correct-horse-battery-staple-correct");
    await ask(sign(first));
    await operators.installAdminKey("another-horse-battery-staple-correct");
    expect(await gone(first)).toBe("access_key_unknown");

    // Also where nobody erased the key.
    const { id } = await operators.create(admin, { name: "by hand", role: "admin" });
    const left = await accessKeys.create({ ...admin, caller: { kind: "operator", id, role: "admin" } }, {});
    await db.write((tx) => tx.updateTable("operators").set({ role: "auditor" }).where("id", "=", id).execute());
    expect(await gone({ accessKeyId: left.accessKeyId, secret: left.accessKeySecret })).toBe("access_key_unknown");

    await tenants.create(admin, "acme");
    const { items } = await operators.list("acme", { limit: 1 });
    const who: Principal = { ...adminOf("acme"), caller: { kind: "operator", id: items[0]?.id ?? "", role: "admin" } };
    const { accessKeyId, accessKeySecret } = await accessKeys.create(who, {});
    const key = { accessKeyId, secret: accessKeySecret };
    expect(await ask(sign(key))).toMatchObject({ tenant: "acme" });
    await tenants.suspend(admin, "acme");
    expect(await gone(key)).toBe("access_key_unknown");
    await tenants.resume(admin, "acme");
    expect(await ask(sign(key))).toMatchObject({ tenant: "acme" });
    await close();
  });

  test("is an admin's no longer than the admin's own key lasts", async () => {
    const { sign, ask, accessKeys, operators, hand, close } = await open();
    const { id } = await operators.create(admin, { name: "deputy", role: "admin", expiresAt: hand.clock() + minute });
    const { accessKeyId, accessKeySecret } = await accessKeys.create({ ...admin, caller: { kind: "operator", id, role: "admin" } }, {});
    const key = { accessKeyId, secret: accessKeySecret };
    await ask(sign(key));
    hand.forward(minute);
    expect(await refusalOf(ask(sign(key)))).toBe("access_key_unknown");
    await operators.update(admin, id, { expiresAt: null });
    await ask(sign(key));
    await close();
  });

  test("still signs when its secret is sealed anew", async () => {
    const { keyOf, sign, ask, seal, db, close } = await open();
    const key = await keyOf("admin");
    await ask(sign(key));
    const sealed = async () => (await db.read.selectFrom("access_keys").select("sealed_secret").executeTakeFirstOrThrow()).sealed_secret;
    const before = await sealed();
    const { id } = await db.write((tx) => seal.keys.make(tx, "default"));
    const fresh = await seal.reseal("default", `access_keys/${key.accessKeyId}/secret`, before, id);
    await db.write(async (tx) => {
      await tx.updateTable("access_keys").set({ sealed_secret: fresh }).execute();
      await db.changes.announce(tx, "default", "access_key", key.accessKeyId);
    });
    expect(await sealed()).not.toBe(before);
    await ask(sign(key));
    await close();
  });

  test("is remembered where it fails with a key that there is, and where it comes twice", async () => {
    const { keyOf, temporary, sign, ask, audit, close } = await open();
    const [key, other] = [await keyOf("admin"), await temporary()];
    const request = sign(key);
    await ask(request);
    expect(await refusalOf(ask(request))).toBe("nonce_used");
    expect(await refusalOf(ask(sign({ ...key, secret: other.secret })))).toBe("signature_mismatch signature");
    expect(await refusalOf(ask(sign({ ...other, securityToken: undefined })))).toBe("security_token_invalid");
    expect(await refusalOf(ask(sign({ ...key, accessKeyId: `ak_${"0".repeat(32)}` })))).toBe("access_key_unknown");
    const { items } = await audit.list("default", { action: "request.refused" }, { limit: 10 });
    expect(items).toMatchObject([
      { target: other.accessKeyId, callerKind: "anonymous", address: "192.0.2.1", details: { reason: "security_token_invalid" } },
      { target: key.accessKeyId, callerKind: "anonymous", address: "192.0.2.1", details: { reason: "signature_mismatch" } },
      { target: key.accessKeyId, details: { reason: "nonce_used" } },
    ]);
    await close();
  });

  test("may be 15 minutes off either way, and its nonce is remembered for as long as it could come again", async () => {
    const { keyOf, sign, ask, hand, db, close } = await open();
    const key = await keyOf("admin");
    const { sweep } = makeReplay({ db, clock: hand.clock });
    const signal = new AbortController().signal;
    const off = (minutes: number, more = 0) => sign(key, { date: hand.clock() + minutes * minute + more });
    await ask(off(-15));
    for (const far of [off(-15, -1000), off(15, 1000)]) expect(await refusalOf(ask(far))).toBe("request_time_skewed");
    const early = off(15);
    await ask(early);
    for (let n = 0; n < 3; n += 1) {
      await sweep.run(signal);
      expect(await refusalOf(ask(early))).toBe("nonce_used");
      hand.forward(10 * minute);
    }
    await sweep.run(signal);
    expect(await refusalOf(ask(early))).toBe("nonce_used");
    hand.forward(1000);
    expect(await refusalOf(ask(early))).toBe("request_time_skewed");
    await close();
  });

  test("has its nonces to itself: another key's are its own", async () => {
    const { keyOf, sign, ask, close } = await open();
    const [one, other] = [await keyOf("admin"), await keyOf("admin")];
    for (const key of [one, other]) await ask(sign(key, { nonce: "the same" }));
    for (const key of [one, other])
      expect(await refusalOf(ask(sign(key, { nonce: "the same", date: 0 + Date.UTC(2026, 0, 1, 0, 1) })))).toBe("nonce_used");
    await close();
  });
});
