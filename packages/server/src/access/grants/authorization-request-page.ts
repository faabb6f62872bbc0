import { type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { Client } from "../clients/index.ts";
import type { AuthorizationRequest, RequestPage, RequestSecrets, ShownClient } from "./authorization-request.ts";
import type { AuthorizationRequestsNeeds } from "./authorization-requests-needs.ts";
import { givesRefreshToken } from "./family.ts";
import type { PersonLogin } from "./person-login.ts";

type Needs = Pick<AuthorizationRequestsNeeds, "db" | "users" | "clients">;

const shown = ({ id, kind, name, about }: Client): ShownClient => ({ id, kind, name, uri: about?.uri });

/** What our page of a request shows, by how far it has come. */
export const makeRequestPage = ({ db, users, clients: { resources } }: Needs, { issuersFor }: Pick<PersonLogin, "issuersFor">) => {
  const described = async (tenant: string, { resource: identifier, scopes }: AuthorizationRequest) => {
    const found = await resources.byIdentifier(tenant, identifier);
    return {
      resource: { identifier, name: found?.name ?? (identifier === resources.userinfo(tenant) ? undefined : identifier) },
      scopes: scopes.map((name) => ({ name, description: found?.scopes.find((scope) => scope.name === name)?.description })),
    };
  };

  /** @throws Refusal session_unknown, session_used, issuer_unavailable */
  return async (
    who: Principal,
    request: AuthorizationRequest,
    client: Client,
    { form: formToken }: RequestSecrets,
  ): Promise<RequestPage> => {
    if (request.stage === "done") throw new Refusal("session_used", "This authorization request has been answered.");
    const { expiresAt, redirectUri } = request;
    // Where there is nothing to choose, the browser was sent on at once.
    if (formToken === undefined) throw new Refusal("session_unknown", "This authorization request shows no page.");
    if (request.stage !== "consent") {
      return { kind: "issuers", client: shown(client), issuers: await issuersFor(client), expiresAt, formToken };
    }
    const user = await users.byId(db.read, who.tenant, request.user ?? "");
    if (!user) throw new Error("A request that waits for a consent names its user.");
    const { subject, issuer } = user;
    const about = await described(who.tenant, request);
    const isLasting = givesRefreshToken(client, request.scopes);
    return { kind: "consent", client: shown(client), user: { subject, issuer }, ...about, isLasting, redirectUri, expiresAt, formToken };
  };
};
