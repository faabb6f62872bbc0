import { expect, test } from "vitest";
import { adminOf, eachStore, openGround } from "../../testing/stores.ts";
import { assertedIssuer, makeUsers } from "./index.ts";

const acme = adminOf("acme");
const globex = adminOf("globex");

eachStore("users", (fresh) => {
  const open = async () => {
    const ground = await openGround(await fresh());
    return { ...ground, users: makeUsers({ ...ground, onSuspended: () => Promise.resolve(), onRevoked: () => Promise.resolve() }) };
  };

  test("are one by tenant, issuer and subject, however many ask at once", async () => {
    const { users, db, audit } = await open();
    const seen = await Promise.all([...Array(16)].map(() => users.proven(acme, "https://id.example", "alice")));
    expect(new Set(seen.map(({ id }) => id)).size).toBe(1);
    expect((await audit.list("acme", { action: "user.created" }, { limit: 50 })).items).toHaveLength(1);
    const others = await Promise.all([
      users.proven(globex, "https://id.example", "alice"),
      users.proven(acme, "https://other.example", "alice"),
      users.proven(acme, "https://id.example", "Alice"),
      users.asserted(acme, "agt_1", "alice"),
      users.asserted(acme, "agt_2", "alice"),
    ]);
    expect(new Set([seen[0]?.id, ...others.map(({ id }) => id)]).size).toBe(6);
    await db.close();
  });

  test("are suspended and resumed in their own tenant only; each raises the epoch", async () => {
    const { users, db } = await open();
    const { id } = await users.asserted(acme, "agt_1", "alice");
    await expect(users.suspend(globex, id)).rejects.toMatchObject({ code: "user_unknown" });
    await expect(users.get("globex", id)).rejects.toMatchObject({ code: "user_unknown" });
    expect(await users.suspend(acme, id)).toMatchObject({ status: "suspended", epoch: 1 });
    expect(await users.resume(acme, id)).toMatchObject({ status: "active", epoch: 2 });
    expect((await users.asserted(acme, "agt_1", "alice")).epoch).toBe(2);
    await db.close();
  });

  test("pages walk every user once", async () => {
    const { users, db } = await open();
    for (let n = 0; n < 5; n += 1) await users.asserted(acme, "agt_1", `user-${n}`);
    const first = await users.list("acme", { limit: 3 });
    const second = await users.list("acme", { limit: 3, cursor: first.nextCursor });
    expect(new Set([...first.items, ...second.items].map(({ subject }) => subject)).size).toBe(5);
    expect(second.nextCursor).toBeUndefined();
    await db.close();
  });
});

test("an asserted user's issuer is no URL that a trusted issuer could have", () => {
  expect(URL.canParse(assertedIssuer("agt_1")) && new URL(assertedIssuer("agt_1")).protocol).toBe("urn:");
});
