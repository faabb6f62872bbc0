import type { Handle, Row } from "../../ground/db/index.ts";
import type { AuthorizationRequest } from "./authorization-request.ts";

const toRequest = (row: Row<"authorization_requests">): AuthorizationRequest => ({
  id: row.id,
  client: row.client_id,
  clientVersion: row.client_version,
  redirectUri: row.redirect_uri,
  resource: row.resource,
  scopes: JSON.parse(row.scopes) as string[],
  codeChallenge: row.code_challenge,
  dpopThumbprint: row.dpop_jkt ?? undefined,
  prompt: row.prompt === null ? [] : row.prompt.split(" "),
  maxAge: row.max_age ?? undefined,
  recallable: row.recallable === 1,
  stage: row.stage,
  stateHash: row.state_hash,
  issuer: row.issuer_id ?? undefined,
  user: row.user_id ?? undefined,
  userEpoch: row.user_epoch ?? undefined,
  authTime: row.auth_time ?? undefined,
  sealedSecrets: row.sealed_secrets,
  createdAt: row.created_at,
  expiresAt: row.expires_at,
});

/** What changes on the way. */
const moving = (request: AuthorizationRequest) => ({
  stage: request.stage,
  state_hash: request.stateHash,
  issuer_id: request.issuer ?? null,
  user_id: request.user ?? null,
  user_epoch: request.userEpoch ?? null,
  auth_time: request.authTime ?? null,
  sealed_secrets: request.sealedSecrets,
});

/** The statements of authorization requests; each takes the tenant first. */
export const requestsTable = {
  insert: async (tx: Handle, tenant: string, request: AuthorizationRequest): Promise<void> => {
    await tx
      .insertInto("authorization_requests")
      .values({
        tenant_id: tenant,
        id: request.id,
        client_id: request.client,
        client_version: request.clientVersion,
        redirect_uri: request.redirectUri,
        resource: request.resource,
        scopes: JSON.stringify(request.scopes),
        code_challenge: request.codeChallenge,
        dpop_jkt: request.dpopThumbprint ?? null,
        prompt: request.prompt.length === 0 ? null : request.prompt.join(" "),
        max_age: request.maxAge ?? null,
        recallable: request.recallable ? 1 : 0,
        created_at: request.createdAt,
        expires_at: request.expiresAt,
        ...moving(request),
      })
      .execute();
  },

  byId: async (db: Handle, tenant: string, id: string): Promise<AuthorizationRequest | undefined> => {
    const row = await db
      .selectFrom("authorization_requests")
      .selectAll()
      .where("tenant_id", "=", tenant)
      .where("id", "=", id)
      .executeTakeFirst();
    return row && toRequest(row);
  },

  byState: async (db: Handle, tenant: string, stateHash: string): Promise<AuthorizationRequest | undefined> => {
    const row = await db
      .selectFrom("authorization_requests")
      .selectAll()
      .where("tenant_id", "=", tenant)
      .where("state_hash", "=", stateHash)
      .executeTakeFirst();
    return row && toRequest(row);
  },

  /** Moves a request on from where it was read; answers false where another did so first. */
  advance: async (
    tx: Handle,
    tenant: string,
    from: Pick<AuthorizationRequest, "id" | "stage" | "stateHash">,
    to: AuthorizationRequest,
  ): Promise<boolean> => {
    const { numUpdatedRows } = await tx
      .updateTable("authorization_requests")
      .set(moving(to))
      .where("tenant_id", "=", tenant)
      .where("id", "=", from.id)
      .where("stage", "=", from.stage)
      .where("state_hash", "=", from.stateHash)
      .executeTakeFirst();
    return numUpdatedRows === 1n;
  },
};
