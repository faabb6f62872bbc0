import { operations, type tenant as tenantWire } from "@legate/contract";
import type { z } from "zod";
import type { Tenant, Tenants } from "../../identity/tenants/index.ts";
import { moment, pageOf } from "./encode.ts";
import type { Serve } from "./serve.ts";

export const serveTenants = (serve: Serve, tenants: Tenants): void => {
  const encode = ({ id, status, accountId, createdAt }: Tenant): z.input<typeof tenantWire> => {
    if (status === "deleted") throw new Error("A tombstone is shown to nobody.");
    return { name: id, status, issuer: tenants.issuerOf(id), accountId, createdAt: moment(createdAt) };
  };

  serve(operations.createTenant, async ({ who, body }) => {
    const { tenant, adminKey } = await tenants.create(who, body.name);
    return { name: tenant.id, issuer: tenants.issuerOf(tenant.id), accountId: tenant.accountId, adminKey };
  });
  serve(operations.listTenants, async ({ query }) => pageOf(await tenants.list(query), encode));
  serve(operations.getTenant, async ({ params }) => encode(await tenants.get(params.name)));
  serve(operations.deleteTenant, ({ who, params }) => tenants.remove(who, params.name));
  serve(operations.suspendTenant, async ({ who, params }) => encode(await tenants.suspend(who, params.name)));
  serve(operations.resumeTenant, async ({ who, params }) => encode(await tenants.resume(who, params.name)));
};
