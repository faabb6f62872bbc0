import type { Handle } from "../../ground/db/index.ts";
import type { Clock, Principal, Random } from "../../ground/kernel/index.ts";
import type { Client } from "../clients/index.ts";
import { hashed, newSecret } from "../vault/index.ts";
import type { AuthorizationRequest, RequestSecrets } from "./authorization-request.ts";
import { codesTable } from "./codes-table.ts";
import type { Families, NewFamily } from "./families.ts";

interface Needs {
  readonly clock: Clock;
  readonly random: Random;
  readonly families: Pick<Families, "begin">;
}

/** RFC 6749 4.1.2 says ten minutes at most; a client that is there redeems it at once. In milliseconds. */
export const codeLife = 60_000;

/** For how long a code that was used is still known, so that whoever brings it again ends what it gave. */
export const codeMemory = 24 * 60 * 60_000;

/** What of somebody the grant is tied to. */
export type Parties = Pick<NewFamily, "user" | "tenantEpoch">;

/** Begins a grant and gives the code that redeems it, in the caller's transaction. The code is nowhere but in the answer. */
export const makeCodes =
  ({ clock, random, families }: Needs) =>
  async (
    tx: Handle,
    who: Principal,
    client: Client,
    request: Pick<AuthorizationRequest, "redirectUri" | "resource" | "scopes" | "codeChallenge" | "dpopThumbprint" | "authTime">,
    { nonce }: Pick<RequestSecrets, "nonce">,
    { user, tenantEpoch }: Parties,
  ): Promise<{ readonly code: string; readonly grant: string; readonly expiresAt: number }> => {
    const now = clock();
    const expiresAt = now + codeLife;
    const { id: grant } = await families.begin(tx, who, {
      client: client.id,
      clientVersion: client.version,
      clientEpoch: client.epoch,
      agent: client.agent && { id: client.agent.id, epoch: client.agent.epoch },
      user,
      tenantEpoch,
      resource: request.resource,
      scopes: request.scopes,
      expiresAt,
    });
    const code = `ac_${newSecret(random)}`;
    await codesTable.insert(tx, who.tenant, {
      hash: hashed(code),
      grantId: grant,
      redirectUri: request.redirectUri,
      codeChallenge: request.codeChallenge,
      dpopThumbprint: request.dpopThumbprint,
      nonce,
      authTime: request.authTime,
      usedAt: undefined,
      createdAt: now,
      expiresAt,
    });
    return { code, grant, expiresAt };
  };
export type IssueCode = ReturnType<typeof makeCodes>;
