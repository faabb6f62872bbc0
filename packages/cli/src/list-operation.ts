import type { Operation } from "@legate/contract";
import type { Asked, LegateClient } from "@legate/sdk";
import { type Context, isOn, type Option, textOf, type Typed } from "./command.ts";
import { misused } from "./failure.ts";
import { type Field, fieldsOf, fill, optionsFor } from "./fields.ts";
import type { Noun } from "./noun.ts";

/** What a server answers, or a part of what it is asked. */
export type Item = Readonly<Record<string, unknown>>;

/** A call whose parts are known only while it runs. */
export const ask = (client: LegateClient, operation: Operation, parts: { params?: Item; query?: Item; body?: unknown }): Promise<Item> =>
  client.call(operation, parts as unknown as Asked<Operation>) as Promise<Item>;

/** Whether it answers a list, page by page. */
export const isList = ({ method, query }: Operation): boolean => method === "GET" && "cursor" in query.shape;

/** The options of every list. */
export const listOptions = (query: Operation["query"]): readonly Option[] => [
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
export const actList =
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
export const findByName = async (client: LegateClient, list: Operation, name: unknown): Promise<Item | undefined> => {
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
