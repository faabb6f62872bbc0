import { type accessKey as accessKeyWire, operations } from "@legate/contract";
import type { z } from "zod";
import type { AccessKey, AccessKeys } from "../../identity/access-keys/index.ts";
import { moment, momentOrNone, pageOf } from "./encode.ts";
import type { Serve } from "./serve.ts";

const encode = ({ id, operator, agent, description, createdAt, lastUsedAt }: AccessKey): z.input<typeof accessKeyWire> => ({
  id,
  rights: agent ? { agent: agent.name } : "admin",
  operator,
  description,
  createdAt: moment(createdAt),
  lastUsedAt: momentOrNone(lastUsedAt),
});

export const serveAccessKeys = (serve: Serve, accessKeys: Pick<AccessKeys, "create" | "list" | "get" | "remove">): void => {
  serve(operations.createAccessKey, ({ who, body }) => accessKeys.create(who, body));
  serve(operations.listAccessKeys, async ({ who, query }) => pageOf(await accessKeys.list(who.tenant, query), encode));
  serve(operations.getAccessKey, async ({ who, params }) => encode(await accessKeys.get(who.tenant, params.id)));
  serve(operations.deleteAccessKey, ({ who, params }) => accessKeys.remove(who, params.id));
};
