import { describe, expect, test } from "vitest";
import { faultOfRedirectUri, isLoopback, redirectUriOf } from "./redirect-uri.ts";

const registeredAs = (...redirectUris: string[]) => ({ redirectUris });
const refused = expect.objectContaining({ code: "redirect_uri_invalid" }) as Error;

describe("a redirect URI that was registered", () => {
  const registered = "https://app.example/oauth/cb?to=a";
  test.each([
    // RFC 9700 4.1, 4.11: every way to come near it.
    "https://APP.example/oauth/cb?to=a",
    "HTTPS://app.example/oauth/cb?to=a",
    "https://app.example/oauth/CB?to=a",
    "https://app.example/oauth/cb/?to=a",
    "https://app.example/oauth/cb",
    "https://app.example/oauth/cb?to=a&",
    "https://app.example/oauth/cb?to=b",
    "https://app.example/oauth/cb?to=a&to=b",
    "https://app.example/oauth/cb?to=a#x",
    "https://app.example/oauth/cb?to=a#",
    "https://app.example/oauth/../oauth/cb?to=a",
    "https://app.example/oauth/./cb?to=a",
    "https://app.example/oauth/%2e%2e/oauth/cb?to=a",
    "https://app.example/oauth%2fcb?to=a",
    "https://app.example/oauth\\cb?to=a",
    "https://app.example//oauth/cb?to=a",
    "https://app.example/oauth/cb%3fto=a",
    "https://app.example/%6fauth/cb?to=a",
    "https://app.example:443/oauth/cb?to=a",
    "https://app.example:8443/oauth/cb?to=a",
    "https://app.example./oauth/cb?to=a",
    "https://app.example.evil.example/oauth/cb?to=a",
    "https://evil.example/oauth/cb?to=a",
    "https://sub.app.example/oauth/cb?to=a",
    "https://user@app.example/oauth/cb?to=a",
    "https://app.example@evil.example/oauth/cb?to=a",
    "https://app.example:x@evil.example/oauth/cb?to=a",
    "https://app.example%2eevil.example/oauth/cb?to=a",
    "https://app.example\u3002evil.example/oauth/cb?to=a",
    "https://\u0430pp.example/oauth/cb?to=a",
    "https://\uff41pp.example/oauth/cb?to=a",
    "https://app.example/oauth/cb\u200b?to=a",
    "http://app.example/oauth/cb?to=a",
    "//app.example/oauth/cb?to=a",
    "/oauth/cb?to=a",
    "app.example/oauth/cb?to=a",
    " https://app.example/oauth/cb?to=a",
    "https://app.example/oauth/cb?to=a ",
    "https://app.example/oauth/cb?to=a\n",
    "https://app.example/oauth/cb?to=a\r\nset-cookie: x=y",
    "https://app.example/oauth/cb?to=a\0",
    "javascript:alert(1)//https://app.example/oauth/cb?to=a",
    "data:text/html,<script>alert(1)</script>",
    "com.example.app:/oauth/cb?to=a",
    "*",
    "",
  ])("is not %j", (asked) => {
    expect(() => redirectUriOf(registeredAs(registered, "https://other.example/"), asked)).toThrowError(refused);
  });

  test("is itself, and answered as it is written", () => {
    for (const uri of [registered, "https://app.example", "https://app.example:8443/cb", "com.example.app:/cb", "com.example.app://x/cb"]) {
      expect(redirectUriOf(registeredAs("https://other.example/", uri), uri)).toBe(uri);
    }
  });

  test("need not be named where it is the only one", () => {
    expect(redirectUriOf(registeredAs(registered), undefined)).toBe(registered);
    for (const uris of [[], [registered, "https://other.example/"]]) {
      expect(() => redirectUriOf(registeredAs(...uris), undefined)).toThrowError(refused);
    }
  });

  test("at a loopback address or localhost may have any port, and nothing else may differ (RFC 8252 7.3)", () => {
    const is = (registeredUri: string, asked: string) => {
      try {
        return redirectUriOf(registeredAs(registeredUri), asked) === asked;
      } catch {
        return false;
      }
    };
    for (const host of ["127.0.0.1", "[::1]", "localhost"]) {
      for (const port of ["", ":1", ":52117", ":65535"]) {
        expect(is(`http://${host}/cb`, `http://${host}${port}/cb`), port).toBe(true);
        expect(is(`http://${host}:3000/cb?a=b`, `http://${host}${port}/cb?a=b`), port).toBe(true);
        expect(is(`http://${host}:3000`, `http://${host}${port}`), port).toBe(true);
      }
      for (const asked of [
        `http://${host}:3000/cb/`,
        `http://${host}:3000/CB`,
        `http://${host}:3000/cb?x`,
        `http://${host}:3000/cb#x`,
        `http://${host}:3000/a/../cb`,
        `http://${host}:3000`,
        `http://${host}:3000@evil.example/cb`,
        `http://${host}:3000:80/cb`,
        `http://${host}:/cb`,
        `http://${host}:99999/cb`,
        `http://${host}:030/cb`,
        `http://${host}:-1/cb`,
        `http://${host}: 80/cb`,
        `http://${host}:80.evil.example/cb`,
        `http://${host}.evil.example:3000/cb`,
        `https://${host}:3000/cb`,
        `HTTP://${host}:3000/cb`,
      ]) {
        expect(is(`http://${host}/cb`, asked), asked).toBe(false);
      }
    }
    // A name is not its address, what is below it may be somebody else's, and other addresses of the same network are other addresses.
    expect(is("http://localhost:3000/cb", "http://127.0.0.1:3000/cb")).toBe(false);
    expect(is("http://127.0.0.1:3000/cb", "http://localhost:3000/cb")).toBe(false);
    for (const near of [
      "LOCALHOST",
      "Localhost",
      "localhost.",
      "localhost.localdomain",
      "a.localhost",
      "localhost%2e",
      "xlocalhost",
      "localhos",
    ]) {
      expect(is("http://localhost/cb", `http://${near}:3000/cb`), near).toBe(false);
    }
    expect(is("https://localhost/cb", "https://localhost:3000/cb")).toBe(false);
    expect(is("http://127.0.0.1/cb", "http://[::1]:3000/cb")).toBe(false);
    expect(is("http://127.0.0.1/cb", "http://127.0.0.2:3000/cb")).toBe(false);
    expect(is("http://127.0.0.1/cb", "http://127.1:3000/cb")).toBe(false);
    expect(is("https://app.example/cb", "https://app.example:3000/cb")).toBe(false);
    expect(is("https://127.0.0.1/cb", "https://127.0.0.1:3000/cb")).toBe(false);
  });
});

describe("a redirect URI that somebody would register", () => {
  test.each([
    "https://app.example",
    "https://app.example/",
    "https://app.example:8443/cb?next=%2Fhome&x=1",
    "https://xn--bcher-kva.example/cb",
    "https://192.0.2.7/cb",
    "https://[2001:db8::1]/cb",
    "https://127.0.0.1/cb",
    "http://127.0.0.1/cb",
    "http://127.0.0.1:3000/cb",
    "http://[::1]:3000/cb",
    "http://localhost/cb",
    "http://localhost:3000",
    "com.example.app:/oauth/cb",
    "com.example.app://oauth/cb",
    "com.example.my-app:cb",
    "https://app.example/~me/cb;v=1,2/(x)!$'",
    "https://app.example/.well-known/cb",
    "https://app.example/..cb/a..b",
  ])("may be %s", (uri) => {
    expect(faultOfRedirectUri(uri)).toBeUndefined();
  });

  test.each([
    ["javascript:alert(1)", "scheme"],
    ["JavaScript:alert(1)", "scheme"],
    ["java\tscript:alert(1)", "characters"],
    ["data:text/html,x", "scheme"],
    ["data:text/html;base64,PHNjcmlwdD4=", "scheme"],
    ["vbscript:msgbox(1)", "scheme"],
    ["file:///etc/passwd", "scheme"],
    ["ftp://app.example/", "scheme"],
    ["ws://app.example/", "scheme"],
    ["blob:https://app.example/x", "scheme"],
    ["about:blank", "scheme"],
    ["myapp://cb", "scheme"],
    ["urn:ietf:wg:oauth:2.0:oob", "scheme"],
    ["mailto:a@b.example", "scheme"],
    ["http://app.example/", "scheme"],
    ["http://127.0.0.2/", "scheme"],
    ["http://127.0.0.1.evil.example/", "scheme"],
    ["http://localhost.evil.example/", "scheme"],
    ["http://0.0.0.0/", "scheme"],
    ["http://[::ffff:127.0.0.1]/", "host"],
    ["http://[0:0:0:0:0:0:0:1]/", "host"],
    ["http://127.1/", "host"],
    ["http://2130706433/", "host"],
    ["http://0x7f.0.0.1/", "host"],
    ["http://localhost:80/", "host"],
    ["https://app.example:443/", "host"],
    ["https://app.example:99999/", "host"],
    ["https://app.example:/", "host"],
    ["https://APP.example/", "host"],
    ["https://app_.example/", "host"],
    ["https://app.example%2e/", "host"],
    ["https://", "host"],
    ["https:///app.example/", "host"],
    ["https:app.example/", "host"],
    ["https:/app.example/", "host"],
    ["https://a@app.example/", "user_information"],
    ["https://a:b@app.example/", "user_information"],
    ["com.example.app://a@b/", "user_information"],
    ["https://app.example/#x", "fragment"],
    ["https://app.example/#", "fragment"],
    ["com.example.app:/cb#x", "fragment"],
    ["https://*.example/", "wildcard"],
    ["https://app.example/*", "wildcard"],
    ["https://app.example/cb?x=*", "wildcard"],
    ["https://app.example/a/../cb", "path"],
    ["https://app.example/..", "path"],
    ["https://app.example/./cb", "path"],
    ["https://app.example/%2e%2E/cb", "path"],
    ["https://app.example/.%2e/cb", "path"],
    ["https://app.example/a%2Fcb", "path"],
    ["https://app.example/a%5cb", "path"],
    ["https://app.example/a%00", "path"],
    ["https://app.example/a\\b", "characters"],
    ["https://app.example/a b", "characters"],
    ["https://app.example/a\nb", "characters"],
    ["https://app.example/\u0000", "characters"],
    ["https://b\u00fccher.example/", "characters"],
    ["https://app.example/\u202e", "characters"],
    ["https://app.example/\ud800", "characters"],
    ["https://app.example/%zz", "characters"],
    ["https://app.example/<script>", "characters"],
    ['https://app.example/"', "characters"],
    ["//app.example/", "malformed"],
    ["/cb", "malformed"],
    ["app.example", "malformed"],
    [":", "malformed"],
    [`https://app.example/${"a".repeat(2_048)}`, "length"],
  ])("may not be %j: %s", (uri, fault) => {
    expect(faultOfRedirectUri(uri)).toBe(fault);
  });

  test("is on the person's own machine only where it says so in plain words", () => {
    for (const uri of ["http://127.0.0.1/cb", "http://127.0.0.1:3000", "http://[::1]:1/", "http://localhost:3000/cb", "http://localhost"]) {
      expect(isLoopback(uri), uri).toBe(true);
    }
    for (const uri of ["https://app.example/", "http://localhost.evil.example/", "http://127.0.0.1.evil.example/", "com.example.app:/cb"]) {
      expect(isLoopback(uri), uri).toBe(false);
    }
  });
});
