import type { Db } from "../../ground/db/index.ts";
import { type Clock, type Principal, type Random, Refusal } from "../../ground/kernel/index.ts";
import type { Issuer, Issuers } from "../../identity/issuers/index.ts";
import type { User, Users } from "../../identity/users/index.ts";
import type { Client } from "../clients/index.ts";
import { type Login, LoginFailed, newSecret } from "../vault/index.ts";
import type { AuthorizationRequest } from "./authorization-request.ts";

interface Needs {
  readonly db: Db;
  readonly clock: Clock;
  readonly random: Random;
  readonly issuers: Pick<Issuers, "byId" | "withLogin" | "loginClient">;
  readonly users: Pick<Users, "proven">;
  readonly login: Login;
}

/** A login that was sent out: what is known only to us until it comes back. */
export interface LoginUnderWay {
  /** Where the browser goes. */
  readonly to: string;
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

/** More than one page can offer. */
const mostIssuers = 50;
/** By as much the issuer's clock may be behind ours, in milliseconds. */
const clockSkew = 60_000;

type Wishes = Pick<AuthorizationRequest, "prompt" | "maxAge">;

const noLogin = (): Refusal =>
  new Refusal("issuer_unavailable", "There is no trusted issuer at which people of this client can log in.", { reason: "no_login" });

/** Finds out who the person in the browser is, by a login at a trusted issuer. Nothing of it is remembered here: the issuer has its own session. */
export const makePersonLogin = ({ db, clock, random, issuers, users, login }: Needs) => {
  const clientAt = async (tenant: string, issuerId: string) => {
    const client = await issuers.loginClient(tenant, issuerId);
    if (!client) throw noLogin();
    return client;
  };

  const issuersFor = async ({ tenant, issuerId }: Client): Promise<readonly Issuer[]> => {
    const own = issuerId === undefined ? undefined : await issuers.byId(db.read, tenant, issuerId);
    const found = issuerId === undefined ? await issuers.withLogin(tenant, mostIssuers) : own?.login ? [own] : [];
    if (found.length === 0) throw noLogin();
    return found;
  };

  return {
    /** The issuers among which a person of this client may choose, one at least. @throws Refusal issuer_unavailable */
    issuersFor,

    /** @throws Refusal issuer_unknown, issuer_unavailable */
    begin: async (tenant: string, issuerId: string, { prompt, maxAge }: Wishes): Promise<LoginUnderWay> => {
      const client = await clientAt(tenant, issuerId);
      const [state, nonce, verifier] = [newSecret(random), newSecret(random), newSecret(random)];
      const passedOn = prompt.filter((each) => each === "login" || each === "select_account");
      const to = login.urlOf(
        client,
        { state, nonce, verifier },
        // OpenID Connect Core 3.1.2.1: whoever asks for an age is told when the login was; a new one has no age.
        { prompt: passedOn, maxAge: passedOn.includes("login") ? 0 : maxAge },
      );
      return { to, state, nonce, verifier };
    },

    /**
     * Who logged in, at an issuer where this client's people do; a user who is suspended or revoked did not.
     *
     * @throws Refusal authorization_denied where the person said no at the issuer; authorization_failed where the answer proves nothing; login_required
     * where the login is older than was asked; user_suspended, user_token_invalid, issuer_unknown, issuer_unavailable
     */
    finish: async (
      who: Principal,
      client: Client,
      { issuer, prompt, maxAge, createdAt }: AuthorizationRequest,
      params: URLSearchParams,
      secrets: Omit<LoginUnderWay, "to">,
    ): Promise<{ readonly user: User; readonly authTime: number | undefined }> => {
      // The client may have got another issuer since; people of the former are not its users any more.
      if (issuer === undefined || !(await issuersFor(client)).some(({ id }) => id === issuer)) throw noLogin();
      const found = await login.whoOf(who.tenant, await clientAt(who.tenant, issuer), params, secrets).catch((thrown: unknown) => {
        if (!(thrown instanceof LoginFailed)) throw thrown;
        const { reason } = thrown;
        throw reason === "denied"
          ? new Refusal("authorization_denied", "The person did not log in.", { reason: "login" })
          : new Refusal("authorization_failed", "The login at the user's issuer proved nothing.", { reason });
      });
      const oldest = prompt.includes("login") ? createdAt : maxAge === undefined ? undefined : clock() - maxAge * 1000;
      if (oldest !== undefined && (found.authTime === undefined || found.authTime < oldest - clockSkew)) {
        throw new Refusal("login_required", "The login at the user's issuer is older than was asked, or does not say how old it is.");
      }
      const user = await users.proven(who, found.issuer, found.subject, found.subjectClaim);
      if (user.status !== "active") throw new Refusal("user_suspended", "The user is suspended or revoked.");
      return { user, authTime: found.authTime };
    },
  };
};
export type PersonLogin = ReturnType<typeof makePersonLogin>;
