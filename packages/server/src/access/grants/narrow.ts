import { Refusal } from "../../ground/kernel/index.ts";
import type { Client, Clients } from "../clients/index.ts";
import type { Granted, TokenRequest } from "./token-request.ts";

/** How far a token reaches. */
export interface Reach {
  readonly audience: string;
  /** Sorted, no repeats. */
  readonly scopes: readonly string[];
}

interface Needs {
  readonly clients: Pick<Clients, "find" | "resources">;
}

const nothingLeft = () => new Refusal("scope_invalid", "Nothing of what was granted is left that everybody in the chain may have there.");
const notForActor = () =>
  new Refusal("target_invalid", "An agent of the chain may not have tokens for this resource.", { reason: "actor" });

/**
 * The one place where the reach of a token is decided, whichever grant it comes by. It only narrows: what comes out lies within what came in, within
 * what was asked, and within what the client and every agent of the chain may have at that audience. Nothing that a caller says widens it.
 */
export const makeNarrow =
  ({ clients }: Needs) =>
  /**
   * @param asked `scopes` undefined: as much as there is
   * @throws Refusal target_invalid, scope_invalid
   */
  async (client: Client, granted: Granted, asked: Pick<TokenRequest, "scopes" | "targets">): Promise<Reach> => {
    const { ceiling, audiences } = granted;
    const person = granted.isConsented === true;
    const { audience, scopes: own } = await clients.resources.target(client, asked.targets, asked.scopes, { ceiling, audiences, person });

    let scopes = own.filter((scope) => ceiling?.includes(scope) ?? true);
    for (const { id } of granted.actors) {
      // What only tells who logged in is for the client that the person logged in to.
      if (id === client.id || audience === clients.resources.userinfo(client.tenant)) continue;
      const agent = (await clients.find(client.tenant, id))?.agent;
      const theirs = agent && (await clients.resources.ceilingOf(client.tenant, agent, audience));
      if (!theirs) throw notForActor();
      scopes = scopes.filter((scope) => theirs.includes(scope));
    }
    // Whoever asked for scopes gets them all or none. Some resources take a token without any for one that may do everything.
    const wanted = asked.scopes ?? ceiling ?? own;
    if (asked.scopes ? scopes.length < own.length : scopes.length === 0 && wanted.length > 0) throw nothingLeft();
    if (audiences?.includes(audience) === false) throw new Error("A token would have left the audiences that came in.");
    return { audience, scopes };
  };
export type Narrow = ReturnType<typeof makeNarrow>;
