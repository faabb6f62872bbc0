import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeAlibaba } from "../../testing/fake-alibaba.ts";
import { startProxy } from "../../testing/proxy.ts";
import { type CredentialSource, defaultCredentials, IdentityClient, withApiKey, withWorkloadAccessToken } from "../index.ts";
import { sectionsIn } from "./credentials-ini.ts";

/** A request that left, and what is answered: a text, a status, or never. */
interface Sent {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly form: URLSearchParams;
}
type Answer = { readonly status?: number; readonly text: string } | "never" | "broken";

let home: string;
let sent: Sent[];
let answer: (asked: Sent) => Answer;
let time: { now: number };
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "legate-chain-"));
  vi.stubEnv("HOME", home);
  for (const name of Object.keys(process.env)) if (name.startsWith("ALIBABA_CLOUD_")) vi.stubEnv(name, "");
  sent = [];
  answer = () => "broken";
  time = { now: Date.parse("2026-01-01T00:00:00Z") };
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true });
});

const fetch: typeof globalThis.fetch = async (input, init = {}) => {
  const url = new URL(input as string);
  const asked = { url, method: init.method ?? "GET", headers: new Headers(init.headers), form: new URLSearchParams(init.body as string) };
  sent.push(asked);
  const given = answer(asked);
  if (given === "broken") throw new TypeError("fetch failed", { cause: Object.assign(new Error("x"), { code: "ECONNREFUSED" }) });
  if (given === "never")
    return new Promise((_, reject) => init.signal?.addEventListener("abort", () => reject(init.signal?.reason as Error)));
  return new Response(given.text, { status: given.status ?? 200 });
};
const chain = (more: Parameters<typeof defaultCredentials>[0] = {}): CredentialSource =>
  defaultCredentials({ fetch, clock: () => time.now, ...more });
const file = (path: string, content: unknown) => {
  const at = join(home, path);
  mkdirSync(dirname(at), { recursive: true });
  writeFileSync(at, typeof content === "string" ? content : JSON.stringify(content));
  return at;
};
const set = (variables: Record<string, string>) => {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(`ALIBABA_CLOUD_${name}`, value);
};
const ends = (seconds: number) => `${new Date(time.now + seconds * 1000).toISOString().slice(0, 19)}Z`;
const lent = (id: string, seconds = 3_600) => ({
  text: JSON.stringify({ Code: "Success", AccessKeyId: id, AccessKeySecret: "s", SecurityToken: "t", Expiration: ends(seconds) }),
});
const assumed = (id: string) => ({
  text: JSON.stringify({ Credentials: { AccessKeyId: id, AccessKeySecret: "s", SecurityToken: "t", Expiration: ends(3_600) } }),
});
const idOf = async (source: CredentialSource) => (await source.getCredential()).accessKeyId;
/** The metadata service of an instance with a role. */
const instance = ({ url, method, headers }: Sent): Answer => {
  if (url.hostname !== "100.100.100.200") return "broken";
  if (url.pathname === "/latest/api/token" && method === "PUT") return { text: "metadata-token" };
  if (headers.get("x-aliyun-ecs-metadata-token") !== "metadata-token") return { status: 403, text: "" };
  return url.pathname.endsWith("/security-credentials/") ? { text: "worker" } : lent(`of-${url.pathname.split("/").at(-1)}`);
};

const everything = () => {
  set({ ACCESS_KEY_ID: "env", ACCESS_KEY_SECRET: "s", CREDENTIALS_URI: "http://localhost:1/lend" });
  set({ OIDC_TOKEN_FILE: file("token", "oidc.to.ken\n"), ROLE_ARN: "acs:ram::1:role/r", OIDC_PROVIDER_ARN: "acs:ram::1:oidc-provider/p" });
  file(".aliyun/config.json", {
    current: "c",
    profiles: [{ name: "c", mode: "AK", access_key_id: "profile", access_key_secret: "s" }],
  });
  file(".alibabacloud/credentials.ini", "[default]\ntype = access_key\naccess_key_id = ini\naccess_key_secret = s\n");
  answer = (asked) => {
    if (asked.url.hostname === "sts.aliyuncs.com") return assumed("oidc");
    return asked.url.pathname === "/lend" ? lent("uri") : instance(asked);
  };
};

describe("the default credentials", () => {
  it("come from the first place that has some, in the documented order", async () => {
    everything();
    expect(await idOf(chain())).toBe("env");
    set({ ACCESS_KEY_ID: "", ACCESS_KEY_SECRET: "" });
    expect(await idOf(chain())).toBe("oidc");
    set({ ROLE_ARN: "" });
    expect(await idOf(chain())).toBe("profile");
    set({ CLI_PROFILE_DISABLED: "true" });
    expect(await idOf(chain())).toBe("ini");
    rmSync(join(home, ".alibabacloud"), { recursive: true });
    expect(await idOf(chain())).toBe("of-worker");
    set({ ECS_METADATA_DISABLED: "true" });
    expect(await idOf(chain())).toBe("uri");
    set({ CREDENTIALS_URI: "" });
    await expect(idOf(chain())).rejects.toThrow(/^No credentials: give `credentials`/);
  });

  it("leave out the places that the caller names", async () => {
    everything();
    expect(await idOf(chain({ withoutCredentialsOf: ["environment", "oidc", "cliProfile"] }))).toBe("ini");
  });

  it("are read when they are asked for, not at import", async () => {
    set({ ACCESS_KEY_ID: "one", ACCESS_KEY_SECRET: "s", ECS_METADATA_DISABLED: "true" });
    const source = chain();
    expect(await source.getCredential()).toEqual({ accessKeyId: "one", accessKeySecret: "s" });
    set({ ACCESS_KEY_ID: "two", SECURITY_TOKEN: "t" });
    expect(await source.getCredential()).toEqual({ accessKeyId: "two", accessKeySecret: "s", securityToken: "t" });
    set({ ACCESS_KEY_ID: "", ACCESS_KEY_SECRET: "" });
    await expect(source.getCredential()).rejects.toThrow(/No credentials/);
  });

  it("stay with the place that had some: where it fails later, the process does not become somebody else", async () => {
    set({ CREDENTIALS_URI: "http://localhost:1/lend" });
    answer = ({ url }) => (url.pathname === "/lend" ? lent("uri", 100) : "broken");
    const source = chain();
    expect(await idOf(source)).toBe("uri");
    file(".alibabacloud/credentials.ini", "[default]\ntype=access_key\naccess_key_id=ini\naccess_key_secret=s\n");
    time.now += 200_000;
    answer = () => "broken";
    await expect(idOf(source)).rejects.toThrow(/The credentials URI cannot be reached \(ECONNREFUSED\)/);
    expect(await idOf(chain())).toBe("ini");
  });

  it("are not those of a later place for ever, where an earlier one failed for a moment", async () => {
    set({ OIDC_TOKEN_FILE: file("token", "oidc.to.ken"), ROLE_ARN: "acs:ram::1:role/r", OIDC_PROVIDER_ARN: "p" });
    file(".alibabacloud/credentials.ini", "[default]\ntype=access_key\naccess_key_id=ini\naccess_key_secret=s\n");
    const source = chain();
    answer = () => ({ status: 400, text: '{"Code":"AuthenticationFail.OIDCToken"}' });
    expect(await idOf(source)).toBe("ini");
    answer = () => assumed("oidc");
    const before = sent.length;
    expect(await idOf(source)).toBe("ini");
    expect(sent).toHaveLength(before);
    time.now += 60_000;
    expect(await idOf(source)).toBe("oidc");
    time.now += 3_700_000;
    answer = () => "broken";
    await expect(idOf(source)).rejects.toThrow(/No answer to AssumeRoleWithOIDC/);
  });

  it("are found without asking each time whether this is an ECS instance", async () => {
    set({ CREDENTIALS_URI: "http://localhost:1/lend" });
    answer = ({ url }) => (url.pathname === "/lend" ? lent("uri", 36_000) : "broken");
    const source = chain();
    expect(await idOf(source)).toBe("uri");
    const before = sent.length;
    time.now += 120_000;
    expect(await idOf(source)).toBe("uri");
    expect(sent).toHaveLength(before);
  });

  it("are read from a profile that begins with a byte order mark", async () => {
    set({ ECS_METADATA_DISABLED: "true" });
    const profile = { name: "c", mode: "AK", access_key_id: "profile", access_key_secret: "s" };
    file(".aliyun/config.json", `\ufeff${JSON.stringify({ current: "c", profiles: [profile] })}`);
    expect(await idOf(chain())).toBe("profile");
  });

  it("say what was set up and failed, and quote nothing of it", async () => {
    set({ ACCESS_KEY_ID: "canary", ECS_METADATA_DISABLED: "true", CREDENTIALS_URI: "http://user:canary@localhost:1/canary?canary" });
    file(".aliyun/config.json", "{canary");
    file(".alibabacloud/credentials.ini", "[default]\ntype = canary\naccess_key_secret = canary");
    answer = () => ({ status: 500, text: "canary" });
    const error: unknown = await idOf(chain()).catch((thrown: unknown) => thrown);
    expect(inspect(error, { depth: null })).not.toContain("canary");
    expect((error as Error).message).toMatch(
      /environment: .*lack.* cliProfile: .*no JSON.* credentialsIni: .*type.* credentialsUri: .*500/,
    );
  });
});

describe("keys that are lent", () => {
  it("are kept, shared by all who ask, and renewed ahead of their end", async () => {
    set({ CREDENTIALS_URI: "http://localhost:1/lend", ECS_METADATA_DISABLED: "true" });
    let count = 0;
    answer = () => lent(`uri-${++count}`, 600);
    const source = chain();
    expect(new Set(await Promise.all(Array.from({ length: 16 }, () => idOf(source))))).toEqual(new Set(["uri-1"]));
    time.now += 530_000;
    expect(await idOf(source)).toBe("uri-1");
    time.now += 20_000;
    expect(await idOf(source)).toBe("uri-2");
    time.now += 560_000;
    answer = () => "broken";
    expect(await idOf(source)).toBe("uri-2");
    time.now += 100_000;
    await expect(idOf(source)).rejects.toThrow(/cannot be reached/);
  });

  it("and are refused are given up, and others asked for, once, by whatever signs", async () => {
    const fake = await FakeAlibaba.start();
    fake.clock = () => time.now;
    set({ CREDENTIALS_URI: "http://localhost:1/lend", ECS_METADATA_DISABLED: "true" });
    let count = 0;
    answer = () => lent(`uri-${++count}`);
    const only = (id?: string) => {
      fake.keys.clear();
      if (id !== undefined) fake.keys.set(id, { secret: "s", securityToken: "t" });
    };
    const lending: typeof fetch = (input, init) =>
      (input as string).startsWith(fake.url) ? globalThis.fetch(input, init) : fetch(input, init);
    const client = new IdentityClient({
      endpoint: fake.url,
      workloadName: "mail",
      useSts: false,
      fetch: lending,
      clock: () => time.now,
      retries: 0,
    });
    const key = withApiKey({ client, provider: "search" }, ({ apiKey }) => apiKey);
    only("uri-1");
    expect(await key()).toBe("key/mail/-/caller/search/-");
    const calls = [
      () => key(),
      () => client.getWorkloadAccessToken(),
      () => client.control.request("ListWorkloadIdentities", {}),
      () => withWorkloadAccessToken({ client, fresh: true }, () => undefined)(),
    ];
    for (const call of calls) {
      time.now += 60_000;
      only(`uri-${count + 1}`);
      const before = count;
      await call();
      expect(count).toBe(before + 1);
    }
    only();
    time.now += 60_000;
    const before = count;
    for (let at = 0; at < 5; at += 1)
      await expect(client.getWorkloadAccessToken()).rejects.toMatchObject({ code: "InvalidAccessKeyId.NotFound" });
    expect(count).toBe(before + 1);
    await fake.stop();
  });

  it("and open a role, are given up where they open it no more", async () => {
    const first = { name: "q", mode: "CredentialsURI", credentials_uri: "http://localhost:1/lend" };
    const second = { name: "p", mode: "ChainableRamRoleArn", source_profile: "q", ram_role_arn: "r", expired_seconds: 900 };
    file(".aliyun/config.json", { current: "p", profiles: [first, second] });
    set({ ECS_METADATA_DISABLED: "true" });
    let count = 0;
    let good = "uri-1";
    answer = ({ url, headers }) => {
      if (url.pathname === "/lend") return lent(`uri-${++count}`, 36_000);
      if (headers.get("authorization")?.includes(`Credential=${good},`)) return assumed("role");
      return { status: 404, text: '{"Code":"InvalidAccessKeyId.NotFound"}' };
    };
    const source = chain();
    expect(await idOf(source)).toBe("role");
    good = "uri-2";
    time.now += 3_700_000;
    await expect(idOf(source)).rejects.toMatchObject({ code: "InvalidAccessKeyId.NotFound" });
    expect(await idOf(source)).toBe("role");
  });

  it.each([
    ["not JSON", /no credentials/],
    ['{"Code":"Failed"}', /no credentials/],
    ['{"Code":"Failed","AccessKeyId":"a","AccessKeySecret":"s","Expiration":"2026-01-01T01:00:00Z"}', /not Success/],
    ['{"Code":"Success","AccessKeyId":"a","AccessKeySecret":"s","Expiration":"soon"}', /no date/],
    ['{"Code":"Success","AccessKeyId":"a\\nb","AccessKeySecret":"s","Expiration":"2026-01-01T01:00:00Z"}', /no request can carry/],
  ])("are refused as %s", async (text, why) => {
    set({ CREDENTIALS_URI: "http://localhost:1/lend", ECS_METADATA_DISABLED: "true" });
    answer = () => ({ text });
    await expect(idOf(chain())).rejects.toThrow(why);
  });

  it("by a machine that is no ECS instance are given up within seconds", async () => {
    answer = () => "never";
    await expect(idOf(chain())).rejects.toThrow(/ECS metadata service did not answer within 1000 ms/);
  });

  it("by an instance are asked with a token of the metadata service, under the role that is named", async () => {
    set({ ECS_METADATA: "named" });
    answer = instance;
    expect(await idOf(chain())).toBe("of-named");
    expect(sent.map(({ method, url }) => `${method} ${url.pathname}`)).toEqual([
      "PUT /latest/api/token",
      "GET /latest/meta-data/ram/security-credentials/named",
    ]);
    answer = (asked) => (asked.method === "PUT" ? { status: 404, text: "" } : instance(asked));
    await expect(idOf(chain())).rejects.toThrow(/ECS metadata service answered 404/);
  });

  it("for an OIDC token are asked without a signature, the token in the body and read anew", async () => {
    const token = file("token", "first\n");
    set({ OIDC_TOKEN_FILE: token, ROLE_ARN: "role", OIDC_PROVIDER_ARN: "provider", ROLE_SESSION_NAME: "mine", STS_REGION: "cn-hangzhou" });
    set({ VPC_ENDPOINT_ENABLED: "true" });
    answer = () => assumed("oidc");
    const source = chain();
    await source.getCredential();
    writeFileSync(token, "second");
    time.now += 3_590_000;
    await source.getCredential();
    expect(sent.map(({ form }) => form.get("OIDCToken"))).toEqual(["first", "second"]);
    const [first] = sent;
    expect([first?.method, first?.url.host, first?.headers.has("authorization"), first?.url.search.includes("first")]).toEqual([
      "POST",
      "sts-vpc.cn-hangzhou.aliyuncs.com",
      false,
      false,
    ]);
    expect(Object.fromEntries(first?.form ?? [])).toEqual({
      ...{ RoleArn: "role", OIDCProviderArn: "provider", OIDCToken: "first", RoleSessionName: "mine", DurationSeconds: "3600" },
    });
  });
});

describe("keys that a service of this machine's lends", () => {
  let proxy: Awaited<ReturnType<typeof startProxy>>;
  let lender: Server;
  let port: number;
  beforeEach(async () => {
    proxy = await startProxy();
    lender = createServer((_, response) => response.end(lent("lender").text));
    await new Promise<void>((resolve) => lender.listen(0, "127.0.0.1", resolve));
    port = (lender.address() as AddressInfo).port;
    for (const name of ["http_proxy", "https_proxy", "all_proxy"]) vi.stubEnv(name, proxy.url());
    for (const name of ["no_proxy", "NO_PROXY"]) vi.stubEnv(name, "");
  });
  afterEach(async () => {
    lender.closeAllConnections();
    await new Promise((resolve) => lender.close(resolve));
    await proxy.stop();
  });
  const overNode = () => idOf(defaultCredentials({ clock: () => time.now }));

  it.each(["http://127.0.0.1", "http://localhost"])(
    "at %s are fetched past the environment's proxy, which would read them",
    async (host) => {
      set({ ECS_METADATA_DISABLED: "true", CREDENTIALS_URI: `${host}:${port}/lend` });
      expect(await overNode()).toBe("lender");
      expect(proxy.asked).toEqual([]);
    },
  );

  it("and that nobody encrypts are never shown to the proxy, wherever they come from", async () => {
    set({ ECS_METADATA_DISABLED: "true", CREDENTIALS_URI: "http://lender.invalid/lend" });
    await expect(overNode()).rejects.toThrow(/The credentials URI cannot be reached/);
    expect(proxy.asked).toEqual([]);
  });

  it.each([
    ["https://localhost:1/", false],
    ["https://x.localhost:1/", false],
    ["https://127.8.8.8:1/", false],
    ["https://[::1]:1/", false],
    ["https://refused:1/", true],
  ])("at %s go by way of the proxy: %s", async (uri, proxied) => {
    set({ ECS_METADATA_DISABLED: "true", CREDENTIALS_URI: uri });
    await expect(overNode()).rejects.toThrow(/The credentials URI cannot be reached/);
    expect(proxy.asked.length > 0).toBe(proxied);
  });

  it("as an ECS instance's are never asked of the proxy", async () => {
    await expect(overNode()).rejects.toThrow(/The ECS metadata service/);
    expect(proxy.asked).toEqual([]);
  });
});

describe("a profile of the cloud's command line", () => {
  const profile = (fields: object, more: readonly object[] = []) =>
    file(".aliyun/config.json", { current: "p", profiles: [{ name: "p", ...fields }, ...more] });
  const pair = { access_key_id: "ak", access_key_secret: "s" };

  it("may hold a pair, with or without a token, and the one that is named counts", async () => {
    profile({ mode: "StsToken", ...pair, sts_token: "t" }, [{ name: "q", mode: "AK", access_key_id: "q", access_key_secret: "s" }]);
    expect(await chain().getCredential()).toEqual({ accessKeyId: "ak", accessKeySecret: "s", securityToken: "t" });
    set({ PROFILE: "q" });
    expect(await idOf(chain())).toBe("q");
  });

  it("may take on a role, by a pair or by another profile", async () => {
    answer = () => assumed("role");
    const role = { ram_role_arn: "arn", ram_session_name: "n", expired_seconds: 900, sts_region: "eu-central-1", external_id: "x" };
    profile({ mode: "RamRoleArn", ...pair, ...role });
    expect(await idOf(chain())).toBe("role");
    profile({ mode: "ChainableRamRoleArn", source_profile: "q", ...role }, [{ name: "q", mode: "AK", ...pair }]);
    expect(await idOf(chain())).toBe("role");
    for (const { url, headers } of sent) {
      expect(url.host).toBe("sts.eu-central-1.aliyuncs.com");
      expect(Object.fromEntries(url.searchParams)).toEqual({
        RoleArn: "arn",
        RoleSessionName: "n",
        DurationSeconds: "900",
        ExternalId: "x",
      });
      expect(headers.get("authorization")).toMatch(/^ACS3-HMAC-SHA256 Credential=ak,/);
      expect(headers.get("x-acs-action")).toBe("AssumeRole");
    }
  });

  it("may be an instance's, an OIDC token's or an address's", async () => {
    answer = (asked) =>
      asked.url.pathname === "/lend" ? lent("uri") : asked.url.hostname.startsWith("sts") ? assumed("oidc") : instance(asked);
    profile({ mode: "EcsRamRole", ram_role_name: "named" });
    expect(await idOf(chain())).toBe("of-named");
    profile({ mode: "OIDC", ram_role_arn: "r", oidc_provider_arn: "p", oidc_token_file: file("token", "t") });
    expect(await idOf(chain())).toBe("oidc");
    profile({ mode: "CredentialsURI", credentials_uri: "http://localhost:1/lend" });
    expect(await idOf(chain())).toBe("uri");
  });

  it("that goes round in a circle, or is of another mode, is none", async () => {
    set({ ECS_METADATA_DISABLED: "true" });
    profile({ mode: "ChainableRamRoleArn", source_profile: "p", ram_role_arn: "r" });
    await expect(idOf(chain())).rejects.toThrow(/circle/);
    profile({ mode: "CloudSSO" });
    await expect(idOf(chain())).rejects.toThrow(/only the cloud's own command line/);
  });
});

describe("the credentials file", () => {
  it("is read as INI files are", () => {
    const read = sectionsIn('\ufeff; c\n[ a ]\r\nKey = v # c\nplain=x#y\n#k=1\nother: "z"\n[b]\nempty =\nnothing\n');
    expect(Object.fromEntries([...read].map(([name, fields]) => [name, Object.fromEntries(fields)]))).toEqual({
      a: { key: "v", plain: "x#y", other: '"z"' },
      b: { empty: "" },
    });
  });

  it("may be elsewhere, and hold a role, an OIDC token's role or an instance's", async () => {
    answer = (asked) => (asked.url.hostname.startsWith("sts") ? assumed("role") : instance(asked));
    const token = file("token", "t");
    const at = file(
      "elsewhere.ini",
      [
        "[r]\ntype=ram_role_arn\naccess_key_id=a\naccess_key_secret=s\nrole_arn=x\nrole_session_name=n",
        `[o]\ntype=oidc_role_arn\nrole_arn=x\noidc_provider_arn=p\noidc_token_file_path=${token}`,
        "[e]\ntype=ecs_ram_role\nrole_name=named",
        "[off]\ntype=access_key\naccess_key_id=a\naccess_key_secret=s\nenable=false",
      ].join("\n"),
    );
    set({ CREDENTIALS_FILE: at });
    const found: unknown[] = [];
    for (const section of ["r", "o", "e"]) {
      set({ PROFILE: section });
      found.push(await idOf(chain()));
    }
    expect(found).toEqual(["role", "role", "of-named"]);
    set({ PROFILE: "off", ECS_METADATA_DISABLED: "true" });
    await expect(idOf(chain())).rejects.toThrow(/^No credentials/);
    set({ CREDENTIALS_FILE: join(home, "nowhere") });
    await expect(idOf(chain())).rejects.toThrow(/CREDENTIALS_FILE names a file that is not there/);
  });
});
