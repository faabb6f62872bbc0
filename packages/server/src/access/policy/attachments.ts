import { counters, type Handle } from "../../ground/db/index.ts";
import { type Page, type PageAsk, type Place, readPage, type Principal, Refusal } from "../../ground/kernel/index.ts";
import { attachmentsTable } from "./attachments-table.ts";
import { type Attachment, type EnforcementMode, type GatewayType, mostGateways, newAttachmentId, type PolicySet } from "./policy.ts";
import { findSet, holdSet, type Needs } from "./policy-sets.ts";

/** A gateway that asks for decisions. */
export interface Gateway {
  readonly gateway: string;
  readonly type: GatewayType;
}

/** What holds at a gateway. */
export interface GatewayConfig {
  /** The set's name. */
  readonly set: string;
  readonly mode: EnforcementMode;
}

const unattached = (gateway: string, set?: string): Refusal =>
  new Refusal("gateway_unknown", `${set === undefined ? "No policy set" : `Policy set ${set}`} is attached to this gateway.`, { gateway });

export const makeAttachments = ({ db, audit, clock, random }: Needs) => {
  /** @throws Refusal gateway_unknown */
  const configOf = async (
    handle: Handle,
    tenant: string,
    { gateway, type }: Gateway,
  ): Promise<Attachment & { readonly setName: string }> => {
    const found = await attachmentsTable.withSet(handle, tenant, gateway);
    if (found?.type !== type) throw unattached(gateway);
    return found;
  };

  /** What is told of an attachment in the record. */
  const told = ({ gateway, type, mode }: Attachment, set: string) => ({ gateway, type, mode, set });

  /** @throws Refusal too_many */
  const add = async (tx: Handle, who: Principal, attachment: Attachment, set: PolicySet): Promise<void> => {
    await audit.record(tx, who, "policy_set.attached", { target: set.id, details: told(attachment, set.name) });
    if ((await counters.add(tx, who.tenant, `gateways/${set.id}/${attachment.type}`, 1)) > mostGateways)
      throw new Refusal("too_many", `A policy set is attached to at most ${mostGateways} gateways.`, { limit: mostGateways });
    await db.changes.announce(tx, who.tenant, "policy_set", set.id);
  };

  /** @throws Refusal gateway_unknown */
  const setMode = async (tx: Handle, who: Principal, gateway: Gateway, mode: EnforcementMode, set: string): Promise<Attachment> => {
    const changed = await attachmentsTable.setMode(tx, who.tenant, gateway, mode, clock());
    if (!changed) throw unattached(gateway.gateway);
    await audit.record(tx, who, "policy_set.mode_changed", { target: changed.set, details: told(changed, set) });
    await db.changes.announce(tx, who.tenant, "policy_set", changed.set);
    return changed;
  };

  return {
    /**
     * Lets a set decide at a gateway. The same again sets the mode.
     * @throws Refusal policy_set_unknown, too_many; policy_set_in_use where another set decides there
     */
    attach: (who: Principal, setName: string, { gateway, type, mode }: Gateway & { readonly mode: EnforcementMode }): Promise<Attachment> =>
      db.write(async (tx) => {
        const set = await holdSet(tx, who.tenant, setName);
        const now = clock();
        const attachment = { id: newAttachmentId(random), gateway, type, set: set.id, mode, attachedAt: now, updatedAt: now };
        if (await attachmentsTable.insert(tx, who.tenant, attachment)) {
          await add(tx, who, attachment, set);
          return attachment;
        }
        const there = await attachmentsTable.byGateway(tx, who.tenant, gateway);
        if (there?.set !== set.id || there.type !== type)
          throw new Refusal("policy_set_in_use", "Another policy set is attached to this gateway: detach it first.", { gateway });
        return there.mode === mode ? there : setMode(tx, who, { gateway, type }, mode, set.name);
      }),

    /** @throws Refusal policy_set_unknown; gateway_unknown where the set is not attached there */
    detach: (who: Principal, setName: string, { gateway, type }: Gateway): Promise<void> =>
      db.write(async (tx) => {
        const set = await holdSet(tx, who.tenant, setName);
        const removed = await attachmentsTable.remove(tx, who.tenant, { gateway, type, set: set.id });
        if (!removed) throw unattached(gateway, setName);
        await audit.record(tx, who, "policy_set.detached", { target: set.id, details: told(removed, set.name) });
        await counters.add(tx, who.tenant, `gateways/${set.id}/${type}`, -1);
        await db.changes.announce(tx, who.tenant, "policy_set", set.id);
      }),

    /** @throws Refusal gateway_unknown where nothing is attached */
    config: async (tenant: string, gateway: Gateway): Promise<GatewayConfig> => {
      const { setName, mode } = await configOf(db.read, tenant, gateway);
      return { set: setName, mode };
    },

    /** @throws Refusal gateway_unknown where nothing is attached */
    setConfig: (who: Principal, gateway: Gateway, mode: EnforcementMode): Promise<GatewayConfig> =>
      db.write(async (tx) => {
        const { setName, mode: before } = await configOf(tx, who.tenant, gateway);
        if (before !== mode) await setMode(tx, who, gateway, mode, setName);
        return { set: setName, mode };
      }),

    /** The gateways of one type that a set decides at, longest attached first. @throws Refusal policy_set_unknown; invalid_request for an unknown cursor */
    attachedTo: async (tenant: string, setName: string, type: GatewayType, ask: PageAsk): Promise<Page<Attachment>> => {
      const { id: set } = await findSet(db.read, tenant, setName);
      const read = (place: Place | undefined, most: number) => attachmentsTable.list(db.read, tenant, { set, type }, place, most);
      return readPage([tenant, "gateways", set, type], ask, read, ({ attachedAt, id }) => ({ at: attachedAt, id }));
    },

    /** How many {@link attachedTo} would answer. @throws Refusal policy_set_unknown */
    count: async (tenant: string, setName: string, type: GatewayType): Promise<number> => {
      const { id } = await findSet(db.read, tenant, setName);
      return counters.read(db.read, tenant, `gateways/${id}/${type}`);
    },
  };
};
