import type { Operation } from "@legate/contract";
import { type Option, textOf, textsOf, type Typed } from "./command.ts";
import { misused } from "./failure.ts";
import { readInput, secretFrom, secretOptions } from "./secrets.ts";
import type { World } from "./world.ts";

type Json = Readonly<Record<string, unknown>>;

/** How a field of a body is given on the command line. */
type Kind = "text" | "number" | "boolean" | "texts" | "names" | "pairs" | "lists" | "document";

/** A field of a body or a query, and the option that gives it. */
export interface Field {
  /** Where it stands in the body: `["login", "clientId"]`. */
  readonly path: readonly string[];
  readonly flag: string;
  readonly kind: Kind;
  readonly description: string;
  readonly choices?: readonly string[];
  readonly secret: boolean;
  /** Whether `--clear` may empty it, and to what. */
  readonly emptied?: null | readonly never[] | Readonly<Record<string, never>>;
}

/** Fields that hold secrets: they are never given as an argument, for the list of processes shows those, and never shown. */
const secretNames = new Set(["apiKey", "clientSecret", "value", "credential", "userToken", "subjectToken", "text"]);

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);

/** `allowedReturnUrls` as an option that may be repeated: `allowed-return-url`. */
const kebab = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const singular = (name: string): string => name.replace(/s$/, "");

const alternatives = (schema: Json): readonly Json[] => {
  const all = schema["anyOf"] ?? schema["oneOf"];
  return Array.isArray(all) ? all.filter(isObject) : [schema];
};

const sentence = (schema: Json): string => {
  const own = schema["description"] ?? alternatives(schema).find((each) => typeof each["description"] === "string")?.["description"];
  return typeof own === "string" ? own : "";
};

const wordsOf = (name: string): string => {
  const words = kebab(name).replaceAll("-", " ");
  return `The ${words.replace(/\b(id|url|arn|uri|api)(s?)\b/g, (_, word: string, more: string) => word.toUpperCase() + more)}.`;
};

/** Several objects of which one is meant, as one: a field that stands in several may be any of them. */
const merged = (variants: readonly Json[]): Readonly<Record<string, Json>> => {
  const fields = new Map<string, Json[]>();
  for (const variant of variants)
    for (const [name, schema] of Object.entries(isObject(variant["properties"]) ? variant["properties"] : {}))
      if (isObject(schema)) fields.set(name, [...(fields.get(name) ?? []), schema]);
  return Object.fromEntries(
    [...fields].map(([name, schemas]) => {
      const constants = schemas.flatMap((schema) => (typeof schema["const"] === "string" ? [schema["const"]] : []));
      return [name, constants.length > 0 ? { type: "string", enum: constants } : (schemas[0] ?? {})];
    }),
  );
};

const fieldOf = (path: readonly string[], schema: Json): readonly Field[] => {
  const name = path.at(-1) ?? "";
  const parts = alternatives(schema);
  const nullable = parts.some((part) => part["type"] === "null");
  const kinds = parts.filter((part) => part["type"] !== "null");
  const [first = {}] = kinds;
  const description = sentence(schema) || sentence(first) || wordsOf(name);
  const field = (kind: Kind, more: Partial<Field> = {}): readonly Field[] => [
    {
      path,
      flag: path.map(kebab).join("-"),
      kind,
      description,
      secret: secretNames.has(name),
      ...(nullable && { emptied: null }),
      ...more,
    },
  ];
  const many = [...path.slice(0, -1), singular(name)].map(kebab).join("-");

  if (kinds.length > 1) {
    if (kinds.every((part) => part["type"] === "string")) return field("text");
    // A word, or an object: `"admin"`, or `{ agent }`.
    const objects = kinds.filter((part) => isObject(part["properties"]));
    const words = kinds.flatMap((part) => (typeof part["const"] === "string" ? [part["const"]] : []));
    const inner = Object.entries(merged(objects)).flatMap(([part, each]) => fieldOf([...path, part], each));
    return [...(words.length > 0 ? field("text", { choices: words }) : []), ...inner];
  }
  const values = first["enum"];
  switch (first["type"]) {
    case "string":
      return field("text", Array.isArray(values) ? { choices: values.map(String) } : {});
    case "integer":
    case "number":
      return field("number");
    case "boolean":
      return field("boolean");
    case "array": {
      const items = isObject(first["items"]) ? first["items"] : {};
      const each = alternatives(items);
      const emptied = nullable ? null : ([] as const);
      const choices = Array.isArray(items["enum"]) ? { choices: items["enum"].map(String) } : {};
      if (each.every((item) => item["type"] === "string")) return field("texts", { flag: many, emptied, ...choices });
      const required = items["required"];
      return Array.isArray(required) && required.length === 1 && required[0] === "name" ? field("names", { flag: many, emptied }) : [];
    }
    case "object": {
      const values = first["additionalProperties"];
      const emptied = nullable ? null : ({} as const);
      if (isObject(first["properties"])) {
        const inner = Object.entries(first["properties"]).flatMap(([part, each]) => (isObject(each) ? fieldOf([...path, part], each) : []));
        return nullable ? [...inner, { ...(field("document")[0] as Field), kind: "document", flag: "", emptied: null }] : inner;
      }
      if (isObject(values) && values["type"] === "string") return field("pairs", { flag: many, emptied });
      if (isObject(values) && values["type"] === "array") return field("lists", { flag: many, emptied });
      return field("document", { flag: `${path.map(kebab).join("-")}-file` });
    }
    default:
      return [];
  }
};

/** The fields of a body or query that the command line can give, without those that are given otherwise. */
export const fieldsOf = (schema: Operation["body"], without: readonly string[] = []): readonly Field[] => {
  const document = schema.toJSONSchema({ io: "input", unrepresentable: "any" }) as unknown as Json;
  return Object.entries(merged(alternatives(document)))
    .filter(([name]) => !without.includes(name))
    .flatMap(([name, each]) => fieldOf([name], each));
};

const valueNames: Readonly<Record<Kind, string>> = {
  text: "text",
  number: "number",
  boolean: "",
  texts: "text",
  names: "name",
  pairs: "name=value",
  lists: "name=value",
  document: "path",
};

/** The options that give these fields; with `mayClear` also the one that empties them. */
export const optionsFor = (fields: readonly Field[], mayClear: boolean): readonly Option[] => {
  const options = fields
    .filter(({ flag }) => flag !== "")
    .flatMap(({ flag, kind, description, choices, secret }): readonly Option[] => {
      if (secret) return secretOptions(flag, description.replace(/\.$/, ""));
      if (kind === "boolean") return [{ flag, description, negates: true }];
      const repeats = kind === "texts" || kind === "names" || kind === "pairs" || kind === "lists";
      return [
        {
          flag,
          value: choices ? "choice" : valueNames[kind],
          description: `${description}${repeats ? " May be repeated." : ""}${repeats && choices ? ` One of ${choices.join(", ")}.` : ""}`,
          ...(choices && { choices }),
          ...(repeats && { repeats }),
          ...(kind === "document" && { file: true }),
        },
      ];
    });
  const cleared = clearable(fields);
  return mayClear && cleared.length > 0
    ? [...options, { flag: "clear", value: "field", repeats: true, choices: cleared, description: "Empty this field. May be repeated." }]
    : options;
};

const clearName = ({ path, flag }: Field): string => (flag === "" ? path.map(kebab).join("-") : flag);
const clearable = (fields: readonly Field[]): readonly string[] => fields.filter(({ emptied }) => emptied !== undefined).map(clearName);

/** Sets a part of a body, making the objects that it stands in. */
const put = (body: Record<string, unknown>, path: readonly string[], value: unknown): void => {
  const [name = "", ...rest] = path;
  if (rest.length === 0) {
    body[name] = value;
    return;
  }
  const inner = isObject(body[name]) ? { ...body[name] } : {};
  put(inner, rest, value);
  body[name] = inner;
};

const splitPair = (flag: string, text: string): readonly [name: string, value: string] => {
  const at = text.indexOf("=");
  if (at <= 0) throw misused(`--${flag} must be NAME=VALUE.`);
  return [text.slice(0, at), text.slice(at + 1)];
};

const numberFrom = (flag: string, text: string): number => {
  if (!/^-?\d{1,15}$/.test(text)) throw misused(`--${flag} must be a whole number.`);
  return Number(text);
};

/** What was typed for a field; undefined where nothing was. */
const valueOf = async (world: World, typed: Typed, field: Field): Promise<unknown> => {
  const { flag, kind } = field;
  if (field.secret) return secretFrom(world, typed, flag);
  switch (kind) {
    case "text":
      return textOf(typed, flag);
    case "number": {
      const text = textOf(typed, flag);
      return text === undefined ? undefined : numberFrom(flag, text);
    }
    case "boolean":
      return typeof typed.options[flag] === "boolean" ? typed.options[flag] : undefined;
    case "texts":
      return textsOf(typed, flag);
    case "names":
      return textsOf(typed, flag)?.map((name) => ({ name }));
    case "pairs": {
      const pairs = textsOf(typed, flag)?.map((text) => splitPair(flag, text));
      return pairs && Object.fromEntries(pairs);
    }
    case "lists": {
      const lists = new Map<string, string[]>();
      const pairs = textsOf(typed, flag)?.map((text) => splitPair(flag, text));
      for (const [name, value] of pairs ?? []) lists.set(name, [...(lists.get(name) ?? []), ...(value === "" ? [] : [value])]);
      return pairs && Object.fromEntries(lists);
    }
    case "document": {
      const path = flag === "" ? undefined : textOf(typed, flag);
      return path === undefined ? undefined : documentIn(world, path);
    }
  }
};

/** The JSON object that a file holds. @throws CommandFailure */
export const documentIn = async (world: World, path: string): Promise<Json> => {
  let document: unknown;
  try {
    document = JSON.parse(await readInput(world, path));
  } catch (error) {
    if (error instanceof SyntaxError) throw misused(`${path} does not hold JSON.`);
    throw error;
  }
  if (!isObject(document)) throw misused(`${path} does not hold a JSON object.`);
  return document;
};

/** Puts into a body what was typed for its fields. */
export const fill = async (
  world: World,
  typed: Typed,
  fields: readonly Field[],
  body: Record<string, unknown>,
): Promise<Record<string, unknown>> => {
  for (const field of fields) {
    const value = await valueOf(world, typed, field);
    if (value !== undefined) put(body, field.path, value);
  }
  return body;
};

/** Empties the fields of a body that were named for it. */
export const clear = (typed: Typed, fields: readonly Field[], body: Record<string, unknown>): void => {
  for (const name of textsOf(typed, "clear") ?? []) {
    const field = fields.find((each) => each.emptied !== undefined && clearName(each) === name);
    if (!field) throw misused(`--clear takes ${clearable(fields).join(", ")}.`);
    put(body, field.path, field.emptied);
  }
};

/** A body with its secrets taken out, for showing. */
export const redacted = (value: unknown, name = ""): unknown => {
  if (typeof value === "string" && secretNames.has(name)) return "(secret)";
  if (Array.isArray(value)) return value.map((each) => redacted(each));
  if (isObject(value)) return Object.fromEntries(Object.entries(value).map(([part, each]) => [part, redacted(each, part)]));
  return value;
};

/** What only the private half of a key has, and a symmetric one (RFC 7518 6.2.2, 6.3.2, 6.4.1; RFC 8037 2). */
const privateParts = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/** Whether a value is a key in JSON that nobody else may have. */
export const isPrivateKey = (value: unknown): boolean => isObject(value) && "kty" in value && privateParts.some((part) => part in value);

/** How an option is written that gives this part of a body; undefined where none does. */
export const flagAt = (fields: readonly Field[], path: string): string | undefined => {
  const named = fields.find((field) => field.flag !== "" && (path === field.path.join(".") || path.startsWith(`${field.path.join(".")}.`)));
  return named && (named.secret ? `--${named.flag}-file or --${named.flag}-env` : `--${named.flag}`);
};
