import fc from "fast-check";
import { expect, test } from "vitest";
import { signRequest } from "../../testing/acs3.ts";
import { canonicalQuery, holds, readSignature, type SignedRequest } from "./acs3.ts";

const secret = `aks_${"ab".repeat(28)}00000000`;
const userAgent = "AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2";
const at = Date.UTC(2026, 0, 1);

/** What `alibabacloud-tea-openapi` 0.4.6 sends, recorded with its clock and its nonce held still. */
const recorded: Readonly<Record<string, SignedRequest>> = {
  "a form, to an endpoint that was given with its scheme": {
    method: "POST",
    path: "/",
    query: "",
    rawHeaders: Object.entries({
      host: "http://127.0.0.1:18911",
      "x-acs-version": "2025-11-27",
      "x-acs-action": "GetResourceOAuth2Token",
      "user-agent": userAgent,
      "x-acs-date": "2026-01-01T00:00:00Z",
      "x-acs-signature-nonce": "c694ebc9c694ebc9c694ebc9c694ebc9",
      accept: "application/json",
      "content-type": "application/x-www-form-urlencoded",
      "x-acs-content-sha256": "e1f9691c3dc8cdd8986449418ae06379a57a6fdaec83087d0715762057c66139",
      "x-acs-credentials-provider": "static_ak",
      Authorization:
        "ACS3-HMAC-SHA256 Credential=ak_00000000000000000000000000000001,SignedHeaders=accept;content-type;host;user-agent;x-acs-action;x-acs-content-sha256;x-acs-credentials-provider;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature=59eec98eee6bcf3b201a7cd2c7b38ad181e2c2dcfe5861989df847474a3b3b43",
      // Added on the way, by the library and by proxies.
      "Accept-Encoding": "identity",
      "Content-Length": "63",
      "X-Forwarded-For": "192.0.2.1",
    }).flat(),
    body: Buffer.from("UserId=alice&WorkloadIdentityName=w%C3%B6rk+load%2F~%2A%27%28%29"),
  },
  "a query with blanks and asterisks, with a security token and without a body": {
    method: "POST",
    path: "/",
    query: "RoleName=a+b%2Fc~d%2Ae%21&PolicyDocument=%7B%22Version%22%3A%221%22%2C%22Statement%22%3A%5B%5D%7D",
    rawHeaders: Object.entries({
      host: "ram.aliyuncs.com",
      "x-acs-version": "2025-11-27",
      "x-acs-action": "GetResourceOAuth2Token",
      "user-agent": userAgent,
      "x-acs-date": "2026-01-01T00:00:00Z",
      "x-acs-signature-nonce": "41168832411688324116883241168832",
      accept: "application/json",
      "x-acs-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "x-acs-credentials-provider": "static_sts",
      "x-acs-accesskey-id": "tk_00000000000000000000000000000002",
      "x-acs-security-token": `st_${"cd".repeat(28)}00000000`,
      Authorization:
        "ACS3-HMAC-SHA256 Credential=tk_00000000000000000000000000000002,SignedHeaders=accept;host;user-agent;x-acs-accesskey-id;x-acs-action;x-acs-content-sha256;x-acs-credentials-provider;x-acs-date;x-acs-security-token;x-acs-signature-nonce;x-acs-version,Signature=5b39be3d0d9f2c485f8d2d4e45a84636f1b1c444423d474fe6b3770407f94d62",
    }).flat(),
    body: Buffer.alloc(0),
  },
};

test.each(Object.entries(recorded))("what the vendor's own client signed holds: %s", (_, request) => {
  const signature = readSignature(request);
  expect(signature).toMatchObject({ at, keyId: expect.stringMatching(/^[at]k_0{31}[12]$/) as string });
  expect(holds(signature, secret)).toBe(true);
  expect(holds(signature, `${secret.slice(0, -1)}1`)).toBe(false);
});

const good = { accessKeyId: "ak_1", secret, action: "GetCallerIdentity", version: "2015-04-01", date: at, nonce: "n" } as const;
const isGood = (request: SignedRequest): boolean => holds(readSignature(request), secret);
const refused = (request: SignedRequest): object => {
  try {
    return { holds: isGood(request) };
  } catch (error) {
    const { code, details } = error as { code: string; details: object };
    return { code, ...details };
  }
};

test("any query that a client writes down holds, whichever way it escapes it", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: "grapheme", minLength: 1 }), fc.string({ unit: "grapheme" })), (query) => {
      const signed = signRequest({ ...good, query });
      expect(isGood(signed)).toBe(true);
      const asForm = new URLSearchParams(query).toString();
      expect(isGood({ ...signed, query: asForm })).toBe(true);
      expect(canonicalQuery(asForm)).toBe(canonicalQuery(signed.query));
    }),
  );
});

test("a query is one text: neither a name nor a value of it can be read in another place", () => {
  expect(canonicalQuery("a=1&b=2")).toBe("a=1&b=2");
  expect(canonicalQuery("b=2&a=1")).toBe("a=1&b=2");
  expect(canonicalQuery("a=1%26b%3D2")).toBe("a=1%26b%3D2");
  expect(canonicalQuery("a%3D1=b")).toBe("a%3D1=b");
  expect(canonicalQuery("a=1=b")).toBe("a=1%3Db");
  expect(canonicalQuery("a")).toBe("a=");
  expect(canonicalQuery("a=2&a=1")).not.toBe(canonicalQuery("a=1&a=2"));
  expect(canonicalQuery("a=~-_.!'()*+%20")).toBe("a=~-_.%21%27%28%29%2A%20%20");
});

test("the path is the one that was signed, or the whole one where the address has a part before it", () => {
  const short = signRequest(good);
  const whole = signRequest({ ...good, path: "/t/acme/" });
  for (const path of ["/", "/t/acme/"]) {
    expect(isGood({ ...short, path, alsoPath: "/" })).toBe(true);
    expect(isGood({ ...whole, path, alsoPath: "/t/acme/" })).toBe(true);
  }
  expect(isGood({ ...whole, path: "/" })).toBe(false);
});

test("whatever set of headers a client signs holds, as long as nothing is left open that matters", () => {
  expect(isGood(signRequest({ ...good, headers: { "x-retry": "1", cookie: "a=b; c=d", via: "  1.1 proxy  " } }))).toBe(true);
  expect(isGood(signRequest({ ...good, headers: { host: "" } }))).toBe(true);
  const { rawHeaders, ...rest } = signRequest(good);
  const withHeader = (...more: string[]) => refused({ ...rest, rawHeaders: [...rawHeaders, ...more] });
  expect(withHeader("x-forwarded-for", "192.0.2.1", "x-forwarded-for", "192.0.2.2")).toEqual({ holds: true });
  // A second one of what was signed could be the one that is acted on.
  for (const header of ["Host", "X-Acs-Action", "content-type"])
    expect(withHeader(header, "x")).toEqual({ code: "signature_mismatch", reason: "repeated", header: header.toLowerCase() });
  expect(withHeader("X-Acs-Security-Token", "st_")).toEqual({
    code: "signature_mismatch",
    reason: "unsigned",
    header: "x-acs-security-token",
  });
  expect(withHeader("authorization", "x")).toEqual({ code: "unauthenticated" });
});

test.each(["host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-content-sha256", "x-acs-signature-nonce"])(
  "%s must be signed",
  (header) => {
    const { rawHeaders, ...rest } = signRequest(good);
    const unsigned = rawHeaders.map((text) =>
      text.startsWith("ACS3-") ? text.replace(new RegExp(`(=|;)${header}(?=[;,])`), "$1").replaceAll(";;", ";") : text,
    );
    const list = unsigned.map((text) => text.replaceAll("=;", "=").replaceAll(";,", ","));
    expect(refused({ ...rest, rawHeaders: list })).toEqual({ code: "signature_mismatch", reason: "unsigned", header });
    const gone = rawHeaders.flatMap((text, at_) => (at_ % 2 === 0 && text !== header ? [text, rawHeaders[at_ + 1] ?? ""] : []));
    expect(refused({ ...rest, rawHeaders: gone })).toEqual({ code: "signature_mismatch", reason: "missing", header });
  },
);

test("what is no signature is told from one that does not hold", () => {
  const { headers, ...rest } = signRequest(good);
  const said = (authorization: string | undefined, more: Record<string, string> = {}) =>
    refused({ ...rest, rawHeaders: Object.entries({ ...headers, ...more, ...(authorization !== undefined && { authorization }) }).flat() });
  const { authorization = "" } = headers;
  for (const none of ["", "Bearer x", authorization.replace("SHA256", "SM3"), authorization.replaceAll(",", ", "), `${authorization},x`])
    expect(said(none), none).toEqual({ code: "unauthenticated" });
  expect(said(authorization.replace("ACS3-HMAC-SHA256 ", "acs3-hmac-sha256 "))).toEqual({ code: "unauthenticated" });
  for (const list of ["host;accept", "accept;accept", ";accept", "accept;"])
    expect(said(authorization.replace(/SignedHeaders=[^,]+/, `SignedHeaders=${list}`))).toMatchObject({
      code: "signature_mismatch",
      reason: "signed_headers",
    });
  expect(refused({ ...rest, rawHeaders: Object.entries(headers).flat(), query: "a=%zz" })).toEqual({
    code: "signature_mismatch",
    reason: "query",
  });
  for (const date of ["", "2026-01-01", "2026-01-01T00:00:00+00:00", "2026-13-01T00:00:00Z", "Thu, 01 Jan 2026 00:00:00 GMT"])
    expect(refused(signRequest({ ...good, headers: { "x-acs-date": date } })), date).toEqual({ code: "request_time_skewed" });
  expect(refused(signRequest({ ...good, headers: { "x-acs-signature-nonce": "" } }))).toEqual({
    code: "signature_mismatch",
    reason: "nonce",
  });
  expect(refused(signRequest({ ...good, headers: { "x-acs-accesskey-id": "ak_2" } }))).toEqual({
    code: "signature_mismatch",
    reason: "access_key_id",
  });
});
