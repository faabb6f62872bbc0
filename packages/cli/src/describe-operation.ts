import { nothing, type Operation } from "@legate/contract";
import { LegateApiError, type LegateClient } from "@legate/sdk";
import { type Argument, type Command, type Context, dryRun, isOn, type Option, textOf, type Typed } from "./command.ts";
import { misused } from "./failure.ts";
import { shownRequest, tellDryRun } from "./dry-run.ts";
import { clear, documentIn, type Field, fieldsOf, fill, flagAt, isPrivateKey, optionsFor } from "./fields.ts";
import { actList, ask, findByName, isList, type Item, listOptions } from "./list-operation.ts";
import type { Noun, Verb } from "./noun.ts";
import type { Output } from "./output/index.ts";
import { placeFor, readInput, secretFrom, shownOptions, tellWithoutSecret } from "./secrets.ts";

const mayChange = ({ method }: Operation): boolean => method !== "GET";

/** A word of a command, and the part of the path or body that it gives. */
interface Word extends Argument {
  readonly gives: string;
}

/** The words a verb takes: those of its path, then those of its body. */
const wordsOf = (noun: Noun, { operation, words = [], file }: Verb): readonly Word[] => {
  const params = Object.keys(operation.params.shape).map((gives): Word => {
    const name = noun.calls?.[gives] ?? (gives === "name" ? noun.one : gives);
    return {
      gives,
      name: name.replaceAll(" ", "-"),
      description: gives === "id" ? `The id of the ${noun.one}.` : `The ${name}: its name or id.`,
    };
  });
  const body = words.map((name): Word => ({ gives: name, name, description: `The ${name} of the ${noun.one}.` }));
  return [
    ...params,
    ...body,
    ...(file === undefined ? [] : [{ gives: file, name: "file", description: "The file; `-` is standard input." }]),
  ];
};

/** What is not there is not to be deleted. */
const isGone = (error: unknown): boolean => error instanceof LegateApiError && error.status === 404 && error.code.endsWith("_unknown");
const isTaken = (error: unknown): boolean => error instanceof LegateApiError && error.status === 409 && error.code.endsWith("_exists");
const isRevoked = (error: unknown): boolean => error instanceof LegateApiError && error.status === 409 && error.code.endsWith("_revoked");

/** Fields that were asked for and that the thing there has otherwise. */
const differing = (body: Item, there: Item): readonly string[] =>
  Object.entries(body)
    .filter(([name, value]) => name in there && JSON.stringify(there[name]) !== JSON.stringify(value))
    .map(([name]) => name);

/** A command for one operation of the contract: its words, options, checks, dry run and answer. */
export const describeOperation = (noun: Noun, verb: string, given: Verb): Command => {
  const { operation, words = [], shows, asks, file, fixed = {} } = given;
  const path = [...noun.path, verb];
  const args = wordsOf(noun, given);
  const paramNames = Object.keys(operation.params.shape);
  const paramsOf = (typed: Typed): Item => Object.fromEntries(paramNames.map((name, at) => [name, typed.words[args[at]?.name ?? ""]]));
  const summary = operation.summary;
  const sample = ({ gives, name }: Word): string => noun.samples[gives] ?? name;
  const line = ["legate", ...path, ...args.map(sample), ...(given.example === undefined ? [] : [given.example])].join(" ");
  const examples = [shows === undefined ? line : `${line} --secret-file ./${noun.one.replaceAll(" ", "-")}.secret`];

  /** The contract's own checks, before anything is sent. */
  const check = (schema: Operation["body"], value: unknown, fields: readonly Field[], what: string): void => {
    const parsed = schema.safeParse(value);
    if (parsed.success) return;
    const told = parsed.error.issues.map((issue) => {
      const at = issue.path.map(String).join(".");
      const word = args.find(({ gives }) => gives === at)?.name;
      const there = issue.path.reduce<unknown>((whole, part) => (whole as Record<PropertyKey, unknown> | undefined)?.[part], value);
      const wrong = there === undefined && issue.code !== "custom" ? "is missing" : issue.message;
      return `${word === undefined ? (flagAt(fields, at) ?? (at === "" ? what : at)) : `<${word}>`}: ${wrong}`;
    });
    throw misused(told.join("; "));
  };

  if (isList(operation)) {
    const fields = fieldsOf(operation.query, ["limit", "cursor"]);
    const options = listOptions(operation.query);
    const checked = (typed: Typed): Item => {
      check(operation.params, paramsOf(typed), [], "the words");
      return paramsOf(typed);
    };
    return { path, summary, arguments: args, options, examples, act: actList(noun, operation, fields, checked) };
  }

  const inBody = [...words, ...(file === undefined ? [] : [file]), ...Object.keys(fixed)];
  const bodyFields = operation.body === nothing ? [] : fieldsOf(operation.body, inBody);
  const queryFields = fieldsOf(operation.query);
  const changes = mayChange(operation);
  const [get, list] = (["get", "list"] as const).map((name) => noun.verbs[name]?.operation);
  const isCreate = verb === "create" && operation.refusals.some((code) => code.endsWith("_exists"));
  const makesKey = operation.status === 201 && shows !== undefined && !isCreate && list !== undefined;
  const mayClear = operation.method === "PATCH";
  const options: readonly Option[] = [
    ...optionsFor(bodyFields, mayClear),
    ...optionsFor(queryFields, false),
    ...(bodyFields.length > 1
      ? [
          {
            flag: "body-file",
            value: "path",
            file: true,
            description: "The body as JSON, from a file; `-` is standard input. Options win.",
          },
        ]
      : []),
    ...(shows === undefined ? [] : shownOptions),
    ...(isCreate ? [{ flag: "if-not-exists", description: `If there is one of this name already, answer that one.` }] : []),
    ...(makesKey ? [{ flag: "if-none", description: "Make none where there is one already." }] : []),
    ...(operation.method === "DELETE" ? [{ flag: "if-exists", description: "Call it done where there is none." }] : []),
  ];

  const bodyOf = async ({ world }: Context, typed: Typed): Promise<Item | undefined> => {
    if (operation.body === nothing) return undefined;
    const from = textOf(typed, "body-file");
    const body: Record<string, unknown> = { ...(from === undefined ? {} : await documentIn(world, from)), ...fixed };
    for (const name of words) if (typed.words[name] !== undefined) body[name] = typed.words[name];
    if (file !== undefined) body[file] = await readInput(world, typed.words["file"] ?? "-");
    await fill(world, typed, bodyFields, body);
    clear(typed, bodyFields, body);
    if (Object.values(body).some(isPrivateKey)) throw misused("A private key stays where it is: give its public half alone.");
    if (asks !== undefined && body[asks] === undefined) {
      const field = bodyFields.find((each) => each.path.join(".") === asks);
      const secret =
        field && needs(body, asks) ? await secretFrom(world, typed, field.flag, `${field.description.replace(/\.$/, "")}:`) : undefined;
      if (secret !== undefined) body[asks] = secret;
    }
    return body;
  };

  /** Whether the body does not hold without this field. */
  const needs = (body: Item, name: string): boolean => {
    const parsed = operation.body.safeParse(body);
    return !parsed.success && parsed.error.issues.some((issue) => issue.path.join(".") === name || issue.path.length === 0);
  };

  const act = async (context: Context, typed: Typed): Promise<void> => {
    const { out, world } = context;
    const params = paramsOf(typed);
    const query = await fill(world, typed, queryFields, {});
    const body = await bodyOf(context, typed);
    check(operation.params, params, [], "the words");
    check(operation.query, query, queryFields, "the options");
    if (operation.body !== nothing) check(operation.body, body ?? {}, bodyFields, "the body");
    if (mayClear && Object.keys(body ?? {}).length === 0) throw misused("Say what is to be changed: see --help.");
    const parts = { params, query, ...(body && { body }) };
    if (changes && isOn(typed, "dry-run")) return tellDryRun(context, [shownRequest(context.session().endpoint, operation, parts)]);

    const client = context.client();
    if (makesKey && isOn(typed, "if-none")) {
      const { items } = (await ask(client, list, { params, query: { limit: 1 } })) as { items: readonly Item[] };
      const [first] = items;
      if (first) {
        out.note("There is one already; none was made.");
        return tellWithoutSecret(typed, out, first);
      }
    }
    // Before a place for the secret is made: there is one since the first run.
    if (isCreate && shows !== undefined && isOn(typed, "if-not-exists")) {
      const there = await existing(client, body ?? {}).catch((error: unknown) => {
        if (!isGone(error)) throw error;
      });
      if (there) return tellExisting(out, typed, body ?? {}, there);
    }
    const place = shows === undefined ? undefined : placeFor(typed, out);
    try {
      const answer = await ask(client, operation, parts);
      if (place && shows !== undefined) return await place.keep(answer, shows);
      if (operation.answer === nothing) return await out.thing({ ...params, deleted: true });
      return await out.thing(answer);
    } catch (error) {
      place?.leave();
      return await otherwise(context, typed, error, { params, body: body ?? {} });
    }
  };

  /** What a refusal comes to where the thing is as it was to be. */
  const otherwise = async (
    { out, client }: Context,
    typed: Typed,
    error: unknown,
    { params, body }: { params: Item; body: Item },
  ): Promise<void> => {
    if (operation.method === "DELETE" && isOn(typed, "if-exists") && isGone(error)) {
      out.note("There is none.");
      return out.thing({ ...params, deleted: false });
    }
    if (isRevoked(error) && verb === "revoke" && get) {
      out.note(`The ${noun.one} is revoked already.`);
      return out.thing(await ask(client(), get, { params }));
    }
    if (isCreate && isOn(typed, "if-not-exists") && isTaken(error)) {
      const there = await existing(client(), body).catch(() => undefined);
      // The name may be free, and something else of it taken.
      if (!there) throw error;
      return tellExisting(out, typed, body, there);
    }
    throw error;
  };

  const tellExisting = (out: Output, typed: Typed, body: Item, there: Item): Promise<void> => {
    const others = differing(body, there);
    out.note("There is one of this name already.");
    if (others.length > 0) out.warn(`It has other values of ${others.join(", ")}.`);
    return tellWithoutSecret(typed, out, there);
  };

  const existing = async (client: LegateClient, body: Item): Promise<Item | undefined> => {
    const named = get && "name" in get.params.shape;
    const query = get && "vault" in get.query.shape && body["vault"] !== undefined ? { vault: body["vault"] } : {};
    if (get && named) return ask(client, get, { params: { name: body["name"] }, query });
    return list && findByName(client, list, body["name"]);
  };

  return {
    path,
    summary,
    arguments: args,
    options: changes ? [...options, dryRun] : options,
    examples,
    ...(changes && { changes }),
    act,
  };
};

/** All commands of a noun. */
export const commandsOf = (noun: Noun): readonly Command[] =>
  Object.entries(noun.verbs).map(([verb, given]) => describeOperation(noun, verb, given));
