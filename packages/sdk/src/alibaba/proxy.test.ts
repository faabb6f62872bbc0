import { describe, expect, it } from "vitest";
import { ConfigurationError } from "./index.ts";
import { proxyFor } from "./proxy.ts";

const proxied = (url: string, variables: Record<string, string>) => proxyFor(new URL(url), variables)?.href;
const target = "https://agentidentitydata.cn-beijing.aliyuncs.com/";

describe("the proxy for an address", () => {
  it.each([
    [target, {}, undefined],
    [target, { HTTPS_PROXY: "http://p:1" }, "http://p:1/"],
    [target, { https_proxy: "http://low:1", HTTPS_PROXY: "http://up:1" }, "http://low:1/"],
    [target, { HTTP_PROXY: "http://p:1" }, undefined],
    ["http://h/", { HTTP_PROXY: "http://p:1" }, "http://p:1/"],
    ["http://h/", { HTTP_PROXY: "http://p:1", REQUEST_METHOD: "GET" }, undefined],
    ["http://h/", { http_proxy: "http://p:1", REQUEST_METHOD: "GET" }, "http://p:1/"],
    [target, { ALL_PROXY: "p:1" }, "http://p:1/"],
    [target, { all_proxy: "https://u:w@p" }, "https://u:w@p/"],
    [target, { HTTPS_PROXY: "" }, undefined],
  ])("%s with %j is %s", (url, variables, proxy) => {
    expect(proxied(url, variables)).toBe(proxy);
  });

  it.each([
    ["aliyuncs.com", true],
    [".aliyuncs.com", true],
    ["*.aliyuncs.com", true],
    ["ALIYUNCS.COM", true],
    ["yuncs.com", false],
    ["cn-beijing.aliyuncs.com:443", true],
    ["cn-beijing.aliyuncs.com:8443", false],
    ["localhost, aliyuncs.com", true],
    ["localhost aliyuncs.com", true],
    ["*", true],
    ["", false],
    [",,", false],
  ])("is none where NO_PROXY is %j: %s", (rule, excepted) => {
    for (const name of ["NO_PROXY", "no_proxy"]) {
      expect(proxied(target, { HTTPS_PROXY: "http://p", [name]: rule })).toBe(excepted ? undefined : "http://p/");
    }
  });

  it.each([
    ["http://127.0.0.1:8700/", "127.0.0.1", true],
    ["http://127.0.0.1:8700/", "127.0.0.1:8700", true],
    ["http://127.0.0.1:8700/", "127.0.0.1:80", false],
    ["http://[::1]:8700/", "::1", true],
    ["http://[::1]:8700/", "[::1]", true],
    ["http://[::1]:8700/", "[::1]:8700", true],
    ["http://[::1]:8700/", "[::1]:1", false],
    ["http://10.1.2.3/", "10.0.0.0/8", true],
    ["http://10.1.2.3:8700/", "localhost,10.1.2.3/32", true],
    ["http://11.1.2.3/", "10.0.0.0/8", false],
    ["http://10.1.2.3/", "0.0.0.0/0", true],
    ["http://10.1.2.3/", "10.0.0.0/33", false],
    ["http://10.1.2.3/", "10.0.0.0/", false],
    ["http://h.example/", "10.0.0.0/8", false],
    ["http://[fd00::1]:8700/", "fd00::/8", true],
    ["http://[fd00::1]/", "[fd00::]/8", true],
    ["http://[fe00::1]/", "fd00::/8", false],
    ["http://10.1.2.3/", "fd00::/8", false],
    ["http://h.example./", "example", true],
    ["http://h.example./", "h.example", true],
    ["http://h.example/", "h.example.", true],
    ["http://h.example/", ".example.:80", true],
  ])("of %s with NO_PROXY=%s", (url, rule, excepted) => {
    expect(proxied(url, { http_proxy: "http://p", NO_PROXY: rule })).toBe(excepted ? undefined : "http://p/");
  });

  it.each([
    "http://user:can%ary@p",
    "http://%E0%A4%A:canary@p",
    "http://u%FF:canary@p",
    "socks5://canary",
    "http://",
    "http://user:canary@:1",
    "::",
  ])("refuses %s, and does not quote it", (proxy) => {
    expect(() => proxied(target, { HTTPS_PROXY: proxy })).toThrow(ConfigurationError);
    expect(() => proxied(target, { HTTPS_PROXY: proxy })).not.toThrow(/canary/);
  });
});
