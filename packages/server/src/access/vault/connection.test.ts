import { expect, test } from "vitest";
import { isDue, isValid, missingScopes, obtainedFrom } from "./connection.ts";
import { type CredentialKey, keyText } from "./credential-key.ts";

const asked = { tenant: "t", agent: "a", provider: "p", resource: "r", audience: "u", scopes: "s" };
const user: CredentialKey = { kind: "user", user: "x", ...asked };
const agent: CredentialKey = { kind: "agent", ...asked };

test("the text of a key changes with each of its parts", () => {
  const keys: CredentialKey[] = [
    user,
    agent,
    { kind: "static", tenant: "t", provider: "p" },
    { kind: "static", tenant: "o", provider: "p" },
  ];
  for (const part of Object.keys(asked)) keys.push({ ...user, [part]: "other" }, { ...agent, [part]: "other" });
  keys.push({ ...user, user: "other" }, { kind: "static", tenant: "t", provider: "o" }, { ...user, agent: 'a","x', user: "" });
  expect(new Set(keys.map(keyText)).size).toBe(keys.length);
});

test("a token is renewed ahead of its end by a tenth of its life, a minute at most", () => {
  const due = (life: number, at: number) => isDue({ key: user, obtainedAt: 0, expiresAt: life }, at);
  expect([due(3_600_000, 3_539_999), due(3_600_000, 3_540_000)]).toEqual([false, true]);
  expect([due(100_000, 89_999), due(100_000, 90_000)]).toEqual([false, true]);
  expect([isValid({ expiresAt: 10 }, 9), isValid({ expiresAt: 10 }, 10), isValid({ expiresAt: undefined }, 1e15)]).toEqual([
    true,
    false,
    true,
  ]);
});

test("a life that the provider leaves out is unknown, and a mad one is bounded", () => {
  const end = (expiresIn?: number) =>
    obtainedFrom({ accessToken: "a", tokenType: "Bearer", ...(expiresIn !== undefined && { expiresIn }) }, [], false, 1000).expiresAt;
  expect([end(), end(0), end(-5), end(1.5), end(Number.MAX_VALUE)]).toEqual([undefined, 1000, 1000, 2500, 3_155_760_001_000]);
});

test("missing is what was asked for and not granted; a refresh token is what offline_access asks for", () => {
  expect(missingScopes(["a", "b", "a", "offline_access"], ["b"], false)).toEqual(["a", "offline_access"]);
  expect(missingScopes(["a", "offline_access"], ["a"], true)).toEqual([]);
});
