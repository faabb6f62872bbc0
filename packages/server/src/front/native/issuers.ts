import { type issuer as issuerWire, operations } from "@legate/contract";
import type { z } from "zod";
import type { Issuer, Issuers } from "../../identity/issuers/index.ts";
import { moment, pageOf } from "./encode.ts";
import type { Serve } from "./serve.ts";

const encode = (issuer: Issuer): z.input<typeof issuerWire> => ({
  id: issuer.id,
  name: issuer.name,
  issuer: issuer.issuer,
  discoveryUrl: issuer.discoveryUrl,
  audiences: [...issuer.audiences],
  subjectClaim: issuer.subjectClaim,
  login: issuer.login && { ...issuer.login, scopes: [...issuer.login.scopes] },
  loginCallbackUrl: issuer.loginCallbackUrl,
  createdAt: moment(issuer.createdAt),
  updatedAt: moment(issuer.updatedAt),
});

export const serveIssuers = (serve: Serve, issuers: Issuers): void => {
  serve(operations.createIssuer, async ({ who, body }) => encode(await issuers.create(who, body)));
  serve(operations.listIssuers, async ({ who, query }) => pageOf(await issuers.list(who.tenant, query), encode));
  serve(operations.getIssuer, async ({ who, params }) => encode(await issuers.get(who.tenant, params.name)));
  serve(operations.updateIssuer, async ({ who, params, body }) => encode(await issuers.update(who, params.name, body)));
  serve(operations.deleteIssuer, ({ who, params }) => issuers.remove(who, params.name));
};
