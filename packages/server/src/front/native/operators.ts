import { operations, type operator as operatorWire } from "@legate/contract";
import type { z } from "zod";
import type { Operator, Operators } from "../../identity/operators/index.ts";
import { moment, momentOrNone, pageOf } from "./encode.ts";
import type { Serve } from "./serve.ts";

const encode = ({ id, name, role, hint, createdAt, expiresAt, lastUsedAt }: Operator): z.input<typeof operatorWire> => ({
  id,
  name,
  role,
  hint,
  createdAt: moment(createdAt),
  expiresAt: momentOrNone(expiresAt),
  lastUsedAt: momentOrNone(lastUsedAt),
});

export const serveOperators = (serve: Serve, operators: Operators): void => {
  serve(operations.createOperator, ({ who, body: { name, role, expiresAt } }) =>
    operators.create(who, { name, role, expiresAt: expiresAt === undefined ? undefined : Date.parse(expiresAt) }),
  );
  serve(operations.listOperators, async ({ who, query }) => pageOf(await operators.list(who.tenant, query), encode));
  serve(operations.getOperator, async ({ who, params }) => encode(await operators.get(who.tenant, params.id)));
  serve(operations.updateOperator, async ({ who, params, body: { role, expiresAt } }) =>
    encode(await operators.update(who, params.id, { role, expiresAt: typeof expiresAt === "string" ? Date.parse(expiresAt) : expiresAt })),
  );
  serve(operations.deleteOperator, ({ who, params }) => operators.remove(who, params.id));
  serve(operations.rotateOperatorKey, ({ who, params }) => operators.rotateKey(who, params.id));
};
