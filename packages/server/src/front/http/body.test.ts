import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { mostFields } from "./form.ts";
import { closeAll, open, raw, shape } from "./http-for-tests.ts";
import { parseJson } from "./json.ts";

afterEach(closeAll);

describe("a JSON body", () => {
  const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;

  test.each([
    ["no JSON", "{"],
    ["a trailing comma", '{"a":1,}'],
    ["a byte order mark", '\ufeff{"a":1}'],
    ["bytes that are no UTF-8", Buffer.from([0x22, 0xff, 0x22])],
    ["bytes of a surrogate", Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
    ["a lone surrogate", '{"a":{"b":["x\\ud800"]}}'],
    ["a NUL", '{"a":"\\u0000"}'],
    ["a raw NUL", '{"a":"\0"}'],
    ["a NUL in a name", '{"\\u0000":1}'],
    ["a name twice", '{"a":1,"a":2}'],
    ["a name twice, written differently", '{"a":1,"\\u0061":2}'],
    ["a name twice, deep", '{"x":[{"a":{"c":1},"b":[],"a":2}]}'],
    ["__proto__", '{"__proto__":{"admin":true}}'],
    ["__proto__ in disguise", '{"x":[{"\\u005f_proto__":1}]}'],
    ["nesting beyond 32", nested(33)],
    ["endless nesting", "[".repeat(200_000)],
    ["endless objects", '{"a":'.repeat(40_000)],
  ])("with %s is a 400", async (_what, body) => {
    const { json } = await open();
    const answer = await json(body);
    expect([answer.statusCode, answer.json()]).toEqual([400, shape]);
  });

  test.each([
    ['{"a":"\\"{","b":{"a":"}"},"c":[{"a":1},{"a":2}]}'],
    ['{"a":"a","b":["a","a",{"a":[]}],"\\\\":1,"\\"":2}'],
    ['"\\ud83d\\ude00"'],
    [nested(32)],
    ["0"],
    [' { "a" : [ ] } '],
  ])("%s is read as JSON.parse reads it", async (body) => {
    const { json } = await open();
    const answer = await json(body);
    expect([answer.statusCode, answer.json<{ body: unknown }>().body]).toEqual([200, JSON.parse(body)]);
  });

  test("beyond 256 KiB is a 413, told by its length or found by reading", async () => {
    const { json, listen } = await open();
    expect((await json(`"${"a".repeat(256 * 1024)}"`)).statusCode).toBe(413);
    expect((await json(`"${"a".repeat(256 * 1024 - 2)}"`)).statusCode).toBe(200);
    const address = await listen();
    const chunk = "a".repeat(0x10000);
    const chunks = `${chunk.length.toString(16)}\r\n${chunk}\r\n`.repeat(5);
    const head = "POST /json/x HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    expect(await raw(address, `${head}${chunks}0\r\n\r\n`)).toMatch(/^HTTP\/1.1 413 /);
  });

  test("of another type is a 415, and each scope reads only its own", async () => {
    const { app, json } = await open();
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "application/xml",
      "nonsense",
      "application/json; charset=utf-16",
    ]) {
      expect([type, (await json("{}", { "content-type": type })).statusCode]).toEqual([type, 415]);
    }
    expect((await json("{}", { "content-type": "application/json; charset=UTF-8" })).statusCode).toBe(200);
    const form = (payload: string, type = "application/x-www-form-urlencoded") =>
      app.inject({ method: "POST", url: "/form", headers: { "content-type": type }, payload });
    expect((await form("a=1+%C3%AB&b=2&a=3&__proto__=x")).json()).toEqual({
      body: JSON.parse('{"a":["1 ë","3"],"b":"2","__proto__":"x"}') as unknown,
    });
    expect((await form("{}", "application/json")).statusCode).toBe(415);
    for (const bad of ["a=%", "a=%00", "a=%ED%A0%80", "a=\u00ff"]) expect((await form(bad)).statusCode).toBe(400);
  });
});

describe("a form or a query of many fields", () => {
  const form = async (payload: string) => {
    const { app } = await open();
    return app.inject({ method: "POST", url: "/form", headers: { "content-type": "application/x-www-form-urlencoded" }, payload });
  };

  test.each([
    ["of one name", "a&".repeat(131_000)],
    ["of two names", "a=1&b=2&".repeat(16_000)],
    ["of as many names", Array.from({ length: 40_000 }, (_, at) => at.toString(36)).join("&")],
    ["of no name", "&".repeat(200_000)],
    ["one too many", "a=1&".repeat(mostFields) + "a=1"],
  ])("is refused: %s", async (_what, body) => {
    const answer = await form(body);
    expect([answer.statusCode, answer.json()]).toEqual([400, shape]);
    const { app } = await open();
    const asked = await app.inject({ method: "GET", url: `/throws/unavailable?${body}` });
    expect([asked.statusCode, asked.json()]).toEqual([400, { error: expect.objectContaining({ code: "invalid_request" }) as unknown }]);
  });

  test("is refused wherever the router may find a query", async () => {
    const { listen } = await open();
    const address = await listen();
    for (const mark of ["?", "#"]) {
      const head = `GET /throws/unavailable${mark}${"a&".repeat(mostFields)} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`;
      expect(await raw(address, head)).toMatch(/^HTTP\/1.1 400 [^]*"invalid_request"/);
    }
  });

  test("is read as far as it may go, in order", async () => {
    const values = Array.from({ length: mostFields }, (_, at) => String(at));
    const body = values.map((value) => `a=${value}`).join("&");
    expect((await form(body)).json()).toEqual({ body: { a: values } });
    const { app } = await open();
    expect((await app.inject({ method: "GET", url: `/throws/unavailable?${body}` })).statusCode).toBe(503);
  });
});

describe("whatever the bytes", () => {
  test("JSON is read as JSON.parse reads it", () => {
    const wellFormed = fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0") && text !== "__proto__");
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 8 },
        fc.double({ noDefaultInfinity: true, noNaN: true }),
        fc.boolean(),
        fc.constant(null),
        wellFormed,
        tie("list"),
        tie("object"),
      ),
      list: fc.array(tie("value")),
      object: fc.dictionary(wellFormed, tie("value")),
    }));
    fc.assert(
      fc.property(value, fc.constantFrom(undefined, 1, "\t"), (given, space) => {
        const text = JSON.stringify(given, undefined, space);
        expect(parseJson(Buffer.from(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  test("anything else is refused, and nothing else is thrown", () => {
    const pieces = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      '"',
      ":",
      ",",
      "\\",
      "\\u0000",
      "\\ud800",
      "a",
      "1",
      "-",
      "null",
      " ",
      "\0",
      "\ud800",
      "__proto__",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(pieces).map((all) => Buffer.from(all.join(""))),
          fc.uint8Array(),
        ),
        (bytes) => {
          try {
            parseJson(bytes);
          } catch (error) {
            expect(error).toMatchObject({ name: "Refusal", code: "invalid_request" });
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
