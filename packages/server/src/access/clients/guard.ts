import { type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { Limits } from "../../ground/limits/index.ts";
import type { Authenticated, ClientProof } from "./client.ts";

interface Needs {
  readonly limits?: Pick<Limits, "mayGuess" | "guessed" | "take" | "takeUnproven"> | undefined;
  /** Remembers that somebody was limited. */
  readonly onLimited: (who: Principal | undefined, proof: ClientProof, refusal: Refusal) => Promise<void>;
}

/** Looks at a client's proof only where its address has not guessed too often, and counts who was proven, or was not. */
export type Guard = (proof: ClientProof, prove: () => Promise<Authenticated>) => Promise<Authenticated>;

export const makeGuard =
  ({ limits, onLimited }: Needs): Guard =>
  async (proof, prove) => {
    const { address } = proof;
    const within = async (who: Principal | undefined, count: () => void): Promise<void> => {
      try {
        count();
      } catch (error) {
        if (error instanceof Refusal) await onLimited(who, proof, error);
        throw error;
      }
    };
    if (limits && address !== undefined) await within(undefined, () => limits.mayGuess(address));
    const proven = await prove().catch((error: unknown) => {
      const isGuess = error instanceof Refusal && error.code === "client_unauthenticated";
      if (isGuess && limits && address !== undefined) limits.guessed(address, "key");
      throw error;
    });
    await within(proven.who, () => {
      limits?.take(proven.who);
      // Whoever names a public client has proven nothing.
      if (proven.who.method === "public_client" && address !== undefined) limits?.takeUnproven(address);
    });
    return proven;
  };
