import { expect, test } from "vitest";
import { Refusal } from "../../ground/kernel/index.ts";
import { chooseBinding } from "./binding.ts";
import { withAnswer } from "./return-url.ts";

const back = "https://app.test/back";
const chosen = (binding: "application" | "login" | "none" | undefined, returnUrl: string | undefined, canLogIn: boolean): string => {
  try {
    return chooseBinding({ agent: { binding, allowedReturnUrls: [back] }, returnUrl, canLogIn });
  } catch (thrown) {
    return (thrown as Refusal).code;
  }
};

test.each([
  // agent says, return URL, user can log in -> binding
  [undefined, back, true, "application"],
  [undefined, back, false, "application"],
  [undefined, undefined, true, "login"],
  [undefined, undefined, false, "return_url_required"],
  ["application", back, true, "application"],
  ["application", undefined, true, "return_url_required"],
  ["application", undefined, false, "return_url_required"],
  ["login", back, true, "login"],
  ["login", undefined, true, "login"],
  ["login", undefined, false, "return_url_required"],
  ["login", back, false, "return_url_required"],
  ["none", back, true, "none"],
  ["none", undefined, true, "none"],
  ["none", undefined, false, "none"],
] as const)("agent says %s, return URL %s, login possible %s: %s", (binding, returnUrl, canLogIn, expected) => {
  expect(chosen(binding, returnUrl, canLogIn)).toBe(expected);
});

test.each([
  "https://APP.test/back",
  "HTTPS://app.test/back",
  "https://app.test/Back",
  "https://app.test/back/",
  "https://app.test/back?",
  "https://app.test/back?next=1",
  "https://app.test/x/../back",
  "https://app.test/./back",
  "https://app.test//back",
  "https://app.test/%62ack",
  "https://app.test/%2e/back",
  "https://app.test/back%2e",
  "https://app.test/back#fragment",
  "https://app.test@evil.test/back",
  "https://user@app.test/back",
  "https://user:word@app.test/back",
  "https://app.test:443/back",
  "https://app.test:8443/back",
  "https://app.test./back",
  "https://app.test.evil.test/back",
  "https://evil.test/back?https://app.test/back",
  "https://аpp.test/back",
  "https://app。test/back",
  "https://app.test\\@evil.test/back",
  "https:/app.test/back",
  "https:app.test/back",
  "//app.test/back",
  "/back",
  "http://app.test/back",
  "javascript:alert(1)//https://app.test/back",
  "data:text/html,https://app.test/back",
  " https://app.test/back",
  "https://app.test/back ",
  "https://app.test/back\n",
  "https://app.test/back\u0000",
  "",
])("the return URL %j is not the one on the list, whatever the binding (THREATS 6)", (returnUrl) => {
  for (const binding of [undefined, "application", "login", "none"] as const)
    expect(chosen(binding, returnUrl, true)).toBe("return_url_not_allowed");
});

const returning = (returnUrl: string, customState?: string, error?: "access_denied") =>
  withAnswer(returnUrl, "a".repeat(48), customState, error === undefined ? {} : { error });
const uri = `urn%3Aietf%3Aparams%3Aoauth%3Arequest_uri%3A${"a".repeat(48)}`;

test("what is added to a return URL leaves its own query as it was", () => {
  expect(returning("https://app.test")).toBe(`https://app.test?session_uri=${uri}`);
  expect(returning("https://app.test/b?x=%7e&y", "s")).toBe(`https://app.test/b?x=%7e&y&session_uri=${uri}&state=s`);
  expect(returning("https://app.test/b?", "s")).toBe(`https://app.test/b?session_uri=${uri}&state=s`);
  expect(returning("https://app.test/b", undefined, "access_denied")).toBe(`https://app.test/b?session_uri=${uri}&error=access_denied`);
});

test("a state comes back character for character, and cannot break out of its parameter", () => {
  const state = "a&b=c#d?é%20+\r\nSet-Cookie: x";
  const to = returning("https://app.test/b", state) ?? "";
  expect(to).toMatch(/^[\x21-\x7e]+$/);
  expect(new URL(to).searchParams.get("state")).toBe(state);
});

test("a return URL that a header cannot carry is sent as the same URL, encoded", () => {
  expect(returning("https://bücher.test/zurück")).toBe(`https://xn--bcher-kva.test/zur%C3%BCck?session_uri=${uri}`);
});
