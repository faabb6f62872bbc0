import type { Audit } from "../../ground/audit/index.ts";
import type { Principal } from "../../ground/kernel/index.ts";
import { kindOfClientId } from "./client-id.ts";
import type { Absent } from "./find.ts";

const longest = 300;

/** Which client the record names: one that is known, or whose document was asked for. What strangers make up stands in no record. */
const named = (clientId: string, { tenant }: Absent): { readonly agent?: string; readonly target?: string } => {
  const kind = kindOfClientId(clientId);
  if (kind === "document") return { target: clientId.slice(0, longest) };
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
