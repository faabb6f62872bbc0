import type { Audit } from "../../ground/audit/index.ts";
import { type Principal, Refusal } from "../../ground/kernel/index.ts";
import { kindOfClientId } from "./client-id.ts";
import type { Absent } from "./find.ts";

const longest = 300;

/** Why a document was not asked for: no resource of the tenant is for its client. */
export const notLetIn = "document_not_let_in";

/** Seconds: when it is worth asking again for a document whose host is in trouble. */
export const awayFor = 10;

/** Whoever may well be a client is not told that it is none: it would throw away what it holds. */
export const away = (): Refusal =>
  new Refusal("unavailable", "The client's metadata document cannot be had right now. Try again.", { retryAfter: awayFor });

/** Which client the record names: one that is known, or whose document was asked for. What strangers make up stands in no record. */
const named = (clientId: string, { absent, tenant }: Absent): { readonly agent?: string; readonly target?: string } => {
  const kind = kindOfClientId(clientId);
  if (kind === "document") return absent === notLetIn ? {} : { target: clientId.slice(0, longest) };
  if (tenant === undefined) return {};
  return kind === "agent" ? { agent: clientId } : { target: clientId };
};

/** Records that a client was turned away, with the reason that it is not told. */
export const refused = (
  audit: Pick<Audit, "refused">,
  who: Principal,
  clientId: string,
  found: Absent,
  details: Readonly<Record<string, unknown>>,
): Promise<void> => audit.refused(who, "client.refused", { ...named(clientId, found), details: { reason: found.absent, ...details } });
