import type { Operation } from "@legate/contract";
import { z } from "zod";
import { bad, type Case, refusedByRooms } from "./bad-input-of-rooms-for-tests.ts";
import { type OperationId, type Sample, samples } from "./bad-input-samples-for-tests.ts";

const wrongTypes: readonly unknown[] = [null, 7, true, "", [], {}, [null], [""], { "": null }];
const long = "a".repeat(20_000);

/** Each field of a body, wherever it may stand in a union. */
const fieldsOf = (body: z.ZodType): readonly string[] => {
  const schema = z.toJSONSchema(body, { io: "input", unrepresentable: "any" });
  const objects = [schema, ...(schema.oneOf ?? []), ...(schema.anyOf ?? [])];
  return [...new Set(objects.flatMap((each) => Object.keys((typeof each === "object" && each.properties) || {})))];
};

const bodyCases = (op: Operation, { body = {} }: Sample): Case[] => {
  const spoilt = (field: string, value: unknown, what: string): Case => {
    const request = { ...body, [field]: value };
    const fits = op.body.safeParse(request).success;
    return { what: `\`${field}\`: ${what}`, body: request, ...(!fits && { expect: bad, at: field }) };
  };
  return [
    { what: "no JSON", body: "{", expect: bad },
    { what: "not an object", body: "[]", expect: bad },
    { what: "a name twice", body: '{"a":1,"a":2}', expect: bad },
    { what: "`__proto__`", body: '{"__proto__":{"a":1}}', expect: bad },
    { what: "nested 33 deep", body: `{"a":${"[".repeat(33)}${"]".repeat(33)}}`, expect: bad },
    {
      what: op.largestBody === undefined ? "more than 256 KiB" : `more than ${op.largestBody} bytes`,
      body: { a: "a".repeat(op.largestBody ?? 256 * 1024) },
      expect: [413, "payload_too_large"],
    },
    { what: "text/plain", body: "{}", type: "text/plain", expect: [415, "unsupported_media_type"] },
    { what: "a form", body: "a=1", type: "application/x-www-form-urlencoded", expect: [415, "unsupported_media_type"] },
    { what: "an unknown field", body: { ...body, unknownField: 1 }, expect: bad, at: "unknownField" },
    ...fieldsOf(op.body).flatMap((field) => [
      ...wrongTypes.map((value) => spoilt(field, value, JSON.stringify(value))),
      spoilt(field, long, "20,000 characters"),
      { what: `\`${field}\`: NUL`, body: { ...body, [field]: "a\0b" }, expect: bad },
      { what: `\`${field}\`: lone surrogate`, body: JSON.stringify({ ...body, [field]: "MARK" }).replace("MARK", "\\ud800"), expect: bad },
    ]),
  ];
};

const paramCases = (op: Operation, { params = {} }: Sample): Case[] =>
  Object.keys(params).flatMap((name) => {
    const withParam = (value: string) => pathOf(op, { ...params, [name]: value });
    const spoilt = (value: string, what: string): Case => ({ what: `\`{${name}}\`: ${what}`, path: withParam(value), expect: bad });
    return [
      spoilt(long.slice(0, 5_000), "5,000 characters"),
      spoilt("%00", "NUL"),
      spoilt("%ED%A0%80", "lone surrogate"),
      spoilt("%", "broken percent-encoding"),
      // What cannot be an agent's name or id does not parse; elsewhere it is merely unknown.
      { what: `\`{${name}}\`: ../.. and a quote`, path: withParam("..%2F..%27--") },
    ];
  });

const queryCases = (op: Operation): Case[] => {
  const fields = Object.keys(op.query.shape);
  const spoilt = (query: string): Case => ({ what: `\`?${query}\``, query, expect: bad });
  return [
    { ...spoilt("unknown=1"), at: "unknown" },
    { ...spoilt("%zz"), what: "`?%zz`" },
    { ...spoilt("a=%00"), what: "`?a=%00`" },
    ...(fields.includes("limit")
      ? ["0", "501", "-1", "1.5", "abc", "", "1&limit=2"].map((value) => ({ ...spoilt(`limit=${value}`), at: "limit" }))
      : []),
    ...(fields.includes("cursor") ? ["", "x", "e30", "WzEsImEiXQ=="].map((value) => ({ ...spoilt(`cursor=${value}`), at: "cursor" })) : []),
    ...fields
      .filter((field) => field !== "limit" && field !== "cursor")
      .flatMap((field) => [
        { ...spoilt(`${field}=`), at: field },
        { ...spoilt(`${field}=${"a".repeat(3_000)}`), what: `\`?${field}=\` 3,000 characters`, at: field },
      ]),
  ];
};

/** The address of an operation with its parameters as they are, not encoded. */
export const pathOf = (op: Operation, params: Readonly<Record<string, string>> = {}): string =>
  op.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => params[name] ?? "");

const unknownCases = (op: Operation, { params = {}, body, missing }: Sample): Case[] => {
  const last = Object.keys(params).at(-1);
  if (last === undefined || missing === undefined) return [];
  const path = pathOf(op, { ...params, [last]: "nobody" });
  return [{ what: `\`{${last}}\`: of nothing there is`, path, body, expect: [404, missing] }];
};

/** Every bad request of an operation by somebody who may ask it. */
export const casesOf = (op: Operation): Case[] => {
  const sample = samples[op.id as OperationId];
  return [
    ...(op.method === "GET" ? [] : bodyCases(op, sample)),
    ...paramCases(op, sample),
    ...queryCases(op),
    ...unknownCases(op, sample),
    ...(refusedByRooms[op.id as OperationId] ?? []),
  ];
};
