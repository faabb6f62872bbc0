import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { CaBundlePath, caBundlePath, ConfigurationError, HttpsProxy, httpsProxy } from "./index.ts";
import { quotePlus } from "./quote.ts";

afterEach(() => vi.unstubAllEnvs());

describe("quotePlus", () => {
  /** Byte by byte, as the documentation of Python's `quote_plus` has it. */
  const byBytes = (text: string): string =>
    Array.from(Buffer.from(text), (byte) => {
      const sign = String.fromCharCode(byte);
      if (/[A-Za-z0-9_.~-]/.test(sign)) return sign;
      return sign === " " ? "+" : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    }).join("");

  it("quotes as Python does, and a form reads it back", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.string()), (text) => {
        expect(quotePlus(text)).toBe(byBytes(text));
        expect(new URLSearchParams(`t=${quotePlus(text)}`).get("t")).toBe(text);
      }),
      { numRuns: 500 },
    );
    expect(quotePlus("a b+c/d?e@f:g!h'i(j)k*l~m_n.o-p é")).toBe("a+b%2Bc%2Fd%3Fe%40f%3Ag%21h%27i%28j%29k%2Al~m_n.o-p+%C3%A9");
  });
});

describe("the proxy's URL", () => {
  it.each([
    ["http://proxy.example.com:8080", "http://space:t%2F1@proxy.example.com:8080"],
    ["http://old:cred@proxy.example.com:8080/path?q=1#f", "http://space:t%2F1@proxy.example.com:8080/path?q=1#f"],
    ["http://a@b@proxy.example.com", "http://space:t%2F1@proxy.example.com"],
    ["HTTPS://[::1]:8443/", "https://space:t%2F1@[::1]:8443/"],
  ])("of %s is %s", (proxy, url) => {
    expect(HttpsProxy({ COZE_OUTBOUND_AUTH_PROXY: proxy, identity_ticket: "t/1" })).toBe(url);
  });

  it("is the skill's proxy before the other, and read from the environment at the moment of asking", () => {
    vi.stubEnv("COZE_SKILL_PROXY_DOMAIN", "http://skill");
    vi.stubEnv("COZE_OUTBOUND_AUTH_PROXY", "http://other");
    vi.stubEnv("identity_ticket", "t");
    expect(HttpsProxy()).toBe("http://space:t@skill");
    vi.stubEnv("COZE_SKILL_PROXY_DOMAIN", "");
    expect(httpsProxy()).toBe("http://space:t@other");
  });

  it("is refused in the original's words where something is missing, and quotes nothing", () => {
    const ticket = { identity_ticket: "canary" };
    for (const [variables, text] of [
      [
        ticket,
        /^Neither COZE_SKILL_PROXY_DOMAIN nor COZE_OUTBOUND_AUTH_PROXY environment variable is configured\. Please set one of them to configure the HTTPS proxy\.$/,
      ],
      [
        { COZE_OUTBOUND_AUTH_PROXY: "http://u:canary@p" },
        /^identity_ticket environment variable is not configured\. This variable is required for proxy authentication credentials\.$/,
      ],
      [{ ...ticket, COZE_OUTBOUND_AUTH_PROXY: "canary.example.com:8080" }, /^The HTTPS proxy must be a URL such as/],
      [{ COZE_OUTBOUND_AUTH_PROXY: "http://p", identity_ticket: "canary\ud800" }, /^identity_ticket is not well-formed Unicode\.$/],
    ] as const) {
      const error = (() => {
        try {
          return HttpsProxy(variables);
        } catch (thrown) {
          return thrown as Error;
        }
      })();
      expect(error).toBeInstanceOf(ConfigurationError);
      expect((error as Error).message).toMatch(text);
      expect((error as Error).message).not.toContain("canary");
    }
  });
});

describe("the file of certificates", () => {
  const pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

  it("holds the text that the environment has, for this user alone, and is written once", () => {
    const path = caBundlePath({ COZE_OUTBOUND_AUTH_PROXY_CA: pem, COZE_OUTBOUND_AUTH_PROXY_CA_PATH: "/nowhere" }) ?? "";
    expect(readFileSync(path, "utf8")).toBe(pem);
    if (process.platform !== "win32") expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(CaBundlePath({ COZE_OUTBOUND_AUTH_PROXY_CA: pem })).toBe(path);
    const other = caBundlePath({ COZE_OUTBOUND_AUTH_PROXY_CA: `${pem}${pem}` });
    expect(other).not.toBe(path);
    rmSync(path);
    expect(readFileSync(caBundlePath({ COZE_OUTBOUND_AUTH_PROXY_CA: pem }) ?? "", "utf8")).toBe(pem);
  });

  it("is the one the environment names, which must be there", () => {
    const folder = mkdtempSync(join(tmpdir(), "coze-test-"));
    const file = join(folder, "ca.pem");
    writeFileSync(file, pem);
    vi.stubEnv("COZE_OUTBOUND_AUTH_PROXY_CA", "");
    vi.stubEnv("COZE_OUTBOUND_AUTH_PROXY_CA_PATH", file);
    expect(caBundlePath()).toBe(file);
    rmSync(folder, { recursive: true });
    expect(() => caBundlePath()).toThrow(
      new ConfigurationError(
        `COZE_OUTBOUND_AUTH_PROXY_CA_PATH environment variable is set to '${file}' but the file does not exist. Please check the path.`,
      ),
    );
    expect(caBundlePath({})).toBeUndefined();
  });

  it("is gone when the process has ended", () => {
    const before = process.listeners("exit");
    const path = caBundlePath({ COZE_OUTBOUND_AUTH_PROXY_CA: `${pem}${Math.random()}` }) ?? "";
    expect(existsSync(path)).toBe(true);
    for (const listener of process.listeners("exit").filter((one) => one.name === "bound removeAll" || one.name === "removeAll"))
      listener(0);
    expect(existsSync(path)).toBe(false);
    expect(process.listeners("exit").length - before.length).toBeLessThanOrEqual(1);
  });
});
