import type { Code } from "@legate/contract";
import type { Audit } from "../../ground/audit/index.ts";
import { anonymous, type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { Limits } from "../../ground/limits/index.ts";
import { defaultTenant } from "../tenants/index.ts";

interface Needs {
  readonly audit: Audit;
  /** Hold every caller of every dialect, for all of them pass here. Without them nobody is limited. */
  readonly limits?: Pick<Limits, "isShutOut" | "mayGuess" | "guessed" | "take" | "takeUnproven"> | undefined;
}

/** Where a request comes from, and whose address it came to. */
export interface Source {
  /** The tenant that the address names, if it names one; a credential of another is unknown there. */
  readonly tenant?: string | undefined;
  readonly requestId: string;
  readonly address?: string | undefined;
}

/** What is said of a credential that is none. */
export interface Unknown {
  /** What is presented: keys are guessed, tokens mostly expire, and each has limits of its own. */
  readonly presents: "key" | "token";
  /** What one that proved nothing costs, where that is not what was presented. */
  readonly costs?: (refusal: Refusal) => "key" | "token";
  /**
   * Whether memory alone tells that it was proven lately: then strangers who guess at the same address are no reason to refuse it. Never said of what
   * somebody could guess, who would try on without end.
   */
  readonly isKnown?: () => Promise<boolean>;
  /** The answer to a credential of another tenant than the address names: the same as to one that nobody has. */
  readonly refusal: () => Refusal;
}

export type Guard = ReturnType<typeof makeGuard>;

/** The no of a check, if it says no. */
const refusalFrom = (check: () => void): Refusal | undefined => {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
};

const guesses = new Set<Code>([
  "unauthenticated",
  "client_unauthenticated",
  "access_key_unknown",
  "signature_mismatch",
  "request_time_skewed",
  "security_token_invalid",
]);
const isGuess = (error: unknown): error is Refusal => error instanceof Refusal && guesses.has(error.code);

/** The limits that everybody passes who proves something, whatever the proof is. */
export const makeGuard = ({ audit, limits }: Needs) => {
  /** Remembers that somebody is limited, and says so also where the store cannot be written. */
  const limited = async (who: Principal, refusal: Refusal): Promise<never> => {
    await audit
      .refused(who, "request.refused", { details: { reason: refusal.code, limit: refusal.details["limit"] } })
      .catch(() => undefined);
    throw refusal;
  };

  /** Whoever says which public client it is has proven nothing: its address is held, and nobody can use up what a tenant may do. */
  const take = (who: Principal): void => {
    if (who.method !== "public_client") limits?.take(who);
    else if (who.address !== undefined) limits?.takeUnproven(who.address);
  };

  /**
   * Looks at a credential only where its address has not guessed too often, or where it is known; counts those that are none, and holds whom it proves
   * to their limits.
   * @param identify Whom it proves. A Refusal that says that there is no such credential counts as a guess.
   * @throws Refusal rate_limited; what `identify` throws
   */
  return async <T extends { readonly who: Principal }>(source: Source, identify: () => Promise<T>, unknown: Unknown): Promise<T> => {
    const { tenant, requestId, address } = source;
    const { presents, costs, isKnown } = unknown;
    const isShutOut = address !== undefined && limits?.isShutOut(address, presents) === true;
    const refuseShutOut = (): Promise<never> => {
      const refusal = address === undefined ? undefined : refusalFrom(() => limits?.mayGuess(address, presents));
      return limited(anonymous(tenant ?? defaultTenant, requestId, address), refusal ?? unknown.refusal());
    };
    if (isShutOut && !(await isKnown?.())) return refuseShutOut();
    let found: T;
    try {
      found = await identify();
      if (tenant !== undefined && tenant !== found.who.tenant) throw unknown.refusal();
    } catch (error) {
      if (!isGuess(error)) throw error;
      if (address !== undefined) limits?.guessed(address, presents, costs?.(error));
      // Whoever is wrong hears what all others hear, so that nobody learns what is known.
      if (isShutOut) return refuseShutOut();
      throw error;
    }
    const over = limits && refusalFrom(() => take(found.who));
    if (over) return limited(found.who, over);
    return found;
  };
};
