import { nothing, type Operation } from "@legate/contract";
import { LegateApiError, type Asked, type LegateClient } from "@legate/sdk";
import { type Argument, type Command, type Context, dryRun, isOn, type Option, textOf, type Typed } from "./command.ts";
import { misused } from "./failure.ts";
import { shownRequest, tellDryRun } from "./dry-run.ts";
import { clear, documentIn, type Field, fieldsOf, fill, flagAt, optionsFor } from "./fields.ts";
import { placeFor, readInput, secretFrom, shownOptions } from "./secrets.ts";

type Item = Readonly<Record<string, unknown>>;

/** What the commands about one kind of thing have in common. */
export interface Noun {
  readonly path: readonly string[];
  readonly summary: string;
  /** What one of them is called. */
  readonly one: string;
  /** Fields that a list shows, what names a thing first; one that ends in `~` may be cut on a narrow terminal. */
  readonly columns: readonly string[];
  /** What parts of its paths are called, where not after the noun itself: `{ name: "agent" }`. */
  readonly calls?: Readonly<Record<string, string>>;
  /** What stands for parts of paths and bodies in examples. */
  readonly samples: Readonly<Record<string, string>>;
  readonly verbs: Readonly<Record<string, Verb>>;
}

/** One command of a noun: an operation of the contract, and what the contract does not say. */
export interface Verb {
  readonly operation: Operation;
  /** Fields of the body that are words rather than options, after those of the path. */
  readonly words?: readonly string[];
  /** What follows the words in the example. */
  readonly example?: string;
  /** The field of the answer that holds a secret which is shown this once. */
  readonly shows?: string;
  /** A field of the body that is a secret to be typed where it is not given otherwise. */
  readonly asks?: string;
  /** A field of the body that is what a file holds, the file being the last word. */
  readonly file?: string;
  /** Parts of the body that are always sent so. */
  readonly fixed?: Readonly<Record<string, unknown>>;
}

const isList = ({ method, query }: Operation): boolean => method === "GET" && "cursor" in query.shape;
const mayChange = ({ method }: Operation): boolean => method !== "GET";

/** A call whose parts are known only while it runs. */
const ask = (client: LegateClient, operation: Operation, parts: { params?: Item; query?: Item; body?: unknown }): Promise<Item> =>
  client.call(operation, parts as unknown as Asked<Operation>) as Promise<Item>;

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

const listOptions = (query: Operation["query"]): readonly Option[] => [
  ...optionsFor(fieldsOf(query, ["limit", "cursor"]), false),
  { flag: "limit", value: "number", description: "How many at most; 100 unless said." },
  { flag: "cursor", value: "text", description: "Where to go on: `nextCursor` of an earlier answer." },
  { flag: "all", description: "All there are." },
];

const columnsOf = (noun: Noun) =>
  noun.columns.map((column) => {
    const name = column.replace(/~$/, "");
    const of = (item: Item): unknown => name.split(".").reduce<unknown>((value, part) => (value as Item | undefined)?.[part], item);
    return { title: name.replaceAll(".", " "), mayCut: column.endsWith("~"), of };
  });

/** Reads a list page by page up to what was asked for. */
const actList =
  (noun: Noun, operation: Operation, fields: readonly Field[], paramsOf: (typed: Typed) => Item) =>
  async (context: Context, typed: Typed): Promise<void> => {
    const { out, world } = context;
    const wanted = textOf(typed, "limit") ?? "100";
    if (!/^[1-9]\d{0,8}$/.test(wanted)) throw misused("--limit must be a whole number of 1 or more.");
    const most = isOn(typed, "all") ? Number.POSITIVE_INFINITY : Number(wanted);
    const filters = await fill(world, typed, fields, {});
    const params = paramsOf(typed);
    const client = context.client();
    const progress = out.progress();
    const items: Item[] = [];
    let cursor = textOf(typed, "cursor");
    try {
      do {
        const query = { ...filters, limit: Math.min(500, most - items.length), ...(cursor !== undefined && { cursor }) };
        const page = (await ask(client, operation, { params, query })) as { items: readonly Item[]; nextCursor?: string };
        for (const item of page.items) items.push(item);
        cursor = page.nextCursor;
        progress.say(`${items.length} read`);
      } while (cursor !== undefined && items.length < most);
    } finally {
      progress.done();
    }
    return out.list(items, columnsOf(noun), cursor);
  };

/** The thing of this name, where a list has to be looked through for it. */
const findByName = async (client: LegateClient, list: Operation, name: unknown): Promise<Item | undefined> => {
  let cursor: string | undefined;
  do {
    const query = { limit: 500, ...(cursor !== undefined && { cursor }) };
    const page = (await ask(client, list, { query })) as { items: readonly Item[]; nextCursor?: string };
    const found = page.items.find((item) => item["name"] === name);
    if (found) return found;
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return undefined;
};

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

  if (isList(operation)) {
    const fields = fieldsOf(operation.query, ["limit", "cursor"]);
    const options = listOptions(operation.query);
    return { path, summary, arguments: args, options, examples, act: actList(noun, operation, fields, paramsOf) };
  }

  const inBody = [...words, ...(file === undefined ? [] : [file]), ...Object.keys(fixed)];
  const bodyFields = operation.body === nothing ? [] : fieldsOf(operation.body, inBody);
  const queryFields = fieldsOf(operation.query);
  const changes = mayChange(operation);
  const { create, get, list } = Object.fromEntries(Object.entries(noun.verbs).map(([name, each]) => [name, each.operation])) as Readonly<
    Partial<Record<"create" | "get" | "list", Operation>>
  >;
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

  /** The contract's own checks, before anything is sent. */
  const check = (schema: Operation["body"], value: unknown, fields: readonly Field[], what: string): void => {
    const parsed = schema.safeParse(value);
    if (parsed.success) return;
    const told = parsed.error.issues.map((issue) => {
      const at = issue.path.map(String).join(".");
      const word = paramNames.includes(at) || words.includes(at) ? `<${at}>` : undefined;
      return `${word ?? flagAt(fields, at) ?? (at === "" ? what : at)}: ${issue.message}`;
    });
    throw misused(told.join("; "));
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
        return out.thing(first);
      }
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
    if (isCreate && isOn(typed, "if-not-exists") && isTaken(error) && create) {
      const there = await existing(client(), body).catch(() => undefined);
      // The name may be free, and something else of it taken.
      if (!there) throw error;
      const others = differing(body, there);
      out.note("There is one of this name already.");
      if (others.length > 0) out.warn(`It has other values of ${others.join(", ")}.`);
      return out.thing(there);
    }
    throw error;
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
