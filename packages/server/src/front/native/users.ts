import { operations, type user as userWire } from "@legate/contract";
import type { z } from "zod";
import type { User, Users } from "../../identity/users/index.ts";
import { moment, pageOf } from "./encode.ts";
import type { Serve } from "./serve.ts";

const encode = ({ id, issuer, subject, proven, status, createdAt }: User): z.input<typeof userWire> => ({
  id,
  issuer,
  subject,
  proven,
  status,
  createdAt: moment(createdAt),
});

export const serveUsers = (serve: Serve, users: Users): void => {
  serve(operations.listUsers, async ({ who, query }) => pageOf(await users.list(who.tenant, query), encode));
  serve(operations.getUser, async ({ who, params }) => encode(await users.get(who.tenant, params.id)));
  serve(operations.suspendUser, async ({ who, params }) => encode(await users.suspend(who, params.id)));
  serve(operations.resumeUser, async ({ who, params }) => encode(await users.resume(who, params.id)));
  serve(operations.revokeUser, async ({ who, params }) => encode(await users.revoke(who, params.id)));
};
