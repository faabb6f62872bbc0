import type { StoreAddress } from "../ground/db/index.ts";
import { makeEgress } from "../ground/egress/index.ts";
import { makeReplay } from "../ground/replay/index.ts";
import { type AccessKeys, makeAccessKeys } from "../identity/access-keys/index.ts";
import { type Agents, makeAgents } from "../identity/agents/index.ts";
import { makeAuthn, type RightsOf } from "../identity/authn/index.ts";
import { makeIssuers } from "../identity/issuers/index.ts";
import { makeOperators } from "../identity/operators/index.ts";
import { makeSigning } from "../identity/signing/index.ts";
import { makeTenants } from "../identity/tenants/index.ts";
import { makeDpop, makeStanding, makeTokens, makeWorkloadTokens } from "../identity/tokens/index.ts";
import { makeUsers } from "../identity/users/index.ts";
import { handClock, openGround } from "./stores.ts";

/** Where the tests' house believes it stands. */
export const testPublicUrl = "http://127.0.0.1:8700";

/** The real identity floor on a fresh store, with a clock moved by hand and loopback issuers allowed. */
export const openIdentity = async (
  address: StoreAddress,
  {
    isRevoked = () => Promise.resolve(false),
    rightsOf = () => Promise.resolve(() => false),
  }: { readonly isRevoked?: Parameters<typeof makeTokens>[0]["isRevoked"]; readonly rightsOf?: RightsOf } = {},
) => {
  const hand = handClock();
  const ground = await openGround(address, hand.clock);
  const egress = makeEgress({ allow: ["127.0.0.0/8"] });
  const operators = makeOperators({ ...ground, onAdminGone: (tx, who, id) => accessKeys.operatorRemoved(tx, who, id) });
  const tenants = makeTenants({
    ...ground,
    publicUrl: testPublicUrl,
    firstAdmin: operators.firstAdmin,
    onCreated: () => Promise.resolve(),
    onSuspended: () => Promise.resolve(),
  });
  const users = makeUsers({
    ...ground,
    onSuspended: () => Promise.resolve(),
    onRevoked: (tx, who, id) => accessKeys.userRevoked(tx, who, id),
  });
  const issuers = makeIssuers({
    ...ground,
    egress,
    issuerOf: tenants.issuerOf,
    usersNamedBy: users.claimOf,
    agentsNaming: (tx, tenant, id) => agents.anyNamingIssuer(tx, tenant, id),
  });
  const agents: Agents = makeAgents({
    ...ground,
    holdIssuer: (tx, tenant, name) => issuers.hold(tx, tenant, name),
    holdProject: () => Promise.resolve(false),
    onSuspended: () => Promise.resolve(),
    onRemoved: (tx, who, id) => accessKeys.agentRemoved(tx, who, id),
  });
  const replay = makeReplay(ground);
  const accessKeys: AccessKeys = makeAccessKeys({ ...ground, replay, operators, agents });
  const signing = makeSigning(ground);
  const tokens = makeTokens({ ...ground, signing, tenants, isRevoked });
  const standing = makeStanding(ground);
  const workloadTokens = makeWorkloadTokens({ ...ground, users, issuers, standing, tokens });
  const dpop = makeDpop({ ...ground, replay });
  const authn = makeAuthn({ ...ground, accessKeys, rightsOf, tenants, operators, agents, users, issuers, tokens, standing, dpop });
  await tenants.ensureDefault();
  return {
    ...ground,
    hand,
    tenants,
    operators,
    users,
    issuers,
    agents,
    accessKeys,
    signing,
    tokens,
    standing,
    dpop,
    workloadTokens,
    authn,
    close: async () => {
      await egress.close();
      await ground.db.close();
    },
  };
};
