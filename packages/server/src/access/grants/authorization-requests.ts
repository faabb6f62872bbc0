import type { Handle } from "../../ground/db/index.ts";
import { type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { Client } from "../clients/index.ts";
import { type Cookies, hashed, isSame, newSecret } from "../vault/index.ts";
import { makeRequestAnswers } from "./authorization-request-answers.ts";
import { makeRequestPage } from "./authorization-request-page.ts";
import {
  type AuthorizationAsk,
  type AuthorizationRequest,
  type Decision,
  isRequestId,
  openSecrets,
  requestCookie,
  type RequestAnswer,
  requestLife,
  type RequestPage,
  type RequestSecrets,
  type RequestStep,
  secretsIdentity,
} from "./authorization-request.ts";
import type { AuthorizationRequestsNeeds } from "./authorization-requests-needs.ts";
import { type LoginUnderWay, makePersonLogin } from "./person-login.ts";
import { isAssured, isRemembered } from "./remembered-consents.ts";
import { requestsTable } from "./requests-table.ts";

export type AuthorizationRequests = ReturnType<typeof makeAuthorizationRequests>;

const unknown = () => new Refusal("session_unknown", "No authorization request that is under way fits this address.");
const used = () => new Refusal("session_used", "This authorization request has been answered.");

const fromOf = ({ requestId, address }: Principal) => ({ requestId, address });

/** A browser's way from a client's authorization request to its answer: login, consent, code (RFC 6749 4.1, OAuth 2.1 4.1). */
export const makeAuthorizationRequests = (needs: AuthorizationRequestsNeeds) => {
  const { db, audit, seal, clock, random, clients, secureCookies } = needs;
  const personLogin = makePersonLogin(needs);
  const pageOf = makeRequestPage(needs, personLogin);
  const answers = makeRequestAnswers(needs);

  const sealed = (tx: Handle, who: Principal, { id }: AuthorizationRequest, secrets: RequestSecrets): Promise<string> =>
    seal.seal(tx, who.tenant, secretsIdentity(id), JSON.stringify(secrets));

  const turnedAway = async (who: Principal, target: string | undefined, reason: string, refusal: Refusal): Promise<Refusal> => {
    await audit.refused(who, "consent.refused", { target, details: { reason } });
    return refusal;
  };

  /** A request is its browser's: whoever else comes changes nothing. */
  const demandBrowser = async (who: Principal, request: AuthorizationRequest, cookies: Cookies): Promise<void> => {
    const cookie = cookies(requestCookie(request.id, secureCookies));
    if (cookie !== undefined && isSame(hashed(cookie), request.id)) return;
    const refusal = new Refusal("forbidden", "This request was not begun in this browser.", { reason: "foreign_browser" });
    throw await turnedAway(who, request.client, "foreign_browser", refusal);
  };

  const demandTime = ({ expiresAt }: AuthorizationRequest): void => {
    if (clock() >= expiresAt) throw new Refusal("authorization_expired", "The request was not answered in time.");
  };

  const find = async (who: Principal, id: string, cookies: Cookies): Promise<AuthorizationRequest> => {
    const request = isRequestId(id) ? await requestsTable.byId(db.read, who.tenant, id) : undefined;
    if (!request) throw unknown();
    await demandBrowser(who, request, cookies);
    demandTime(request);
    return request;
  };

  /** The client as it is now, if the browser may still be sent to where the request said. */
  const clientOf = async (who: Principal, request: AuthorizationRequest): Promise<Client> => {
    const client = await clients.find(who.tenant, request.client, fromOf(who));
    if (!client) throw new Refusal("client_unknown", "The client is gone since the request began.");
    clients.redirectUriOf(client, request.redirectUri);
    return client;
  };

  const demandForm = async (who: Principal, request: AuthorizationRequest, formToken: string): Promise<RequestSecrets> => {
    const secrets = await openSecrets(seal, who.tenant, request);
    if (secrets.form !== undefined && isSame(secrets.form, formToken)) return secrets;
    const refusal = new Refusal("forbidden", "The page was no longer current.", { reason: "stale_page" });
    throw await turnedAway(who, request.client, "stale_page", refusal);
  };

  const atLogin = (request: AuthorizationRequest, issuer: string, { state }: LoginUnderWay): AuthorizationRequest => ({
    ...request,
    stage: "login",
    issuer,
    stateHash: hashed(state),
  });

  return {
    /**
     * The client that asks, and where its answer goes: until both hold, nobody is redirected anywhere.
     *
     * @throws Refusal client_unknown, redirect_uri_invalid
     */
    client: async (who: Principal, clientId: string, redirectUri: string | undefined): Promise<{ client: Client; redirectUri: string }> => {
      const client = await clients.find(who.tenant, clientId, fromOf(who));
      if (!client) throw new Refusal("client_unknown", "There is no such client.");
      try {
        return { client, redirectUri: clients.redirectUriOf(client, redirectUri) };
      } catch (thrown) {
        throw thrown instanceof Refusal ? await turnedAway(who, client.id, thrown.code, thrown) : thrown;
      }
    },

    /**
     * Begins a request in a browser.
     *
     * @throws Refusal client_not_allowed, target_invalid, scope_invalid, login_required, issuer_unavailable: the client is to hear of each
     */
    begin: async (who: Principal, client: Client, redirectUri: string, ask: AuthorizationAsk): Promise<RequestStep> => {
      if (!client.grantTypes.includes("authorization_code")) {
        throw new Refusal("client_not_allowed", "This client does not use authorization codes.");
      }
      const { audience, scopes } = await clients.resources.target(client, ask.resource === undefined ? [] : [ask.resource], ask.scopes, {
        person: true,
      });
      // OpenID Connect Core 3.1.2.6. No login is kept here, so that nobody is ever known without going to their issuer.
      if (ask.prompt.includes("none")) throw new Refusal("login_required", "Nobody is logged in here without being sent to their issuer.");
      const issuers = await personLogin.issuersFor(client);
      const [only] = issuers.length === 1 ? issuers : [];
      const login = only && (await personLogin.begin(who.tenant, only.id, ask));

      const cookieSecret = newSecret(random);
      const now = clock();
      const begun: AuthorizationRequest = {
        id: hashed(cookieSecret),
        client: client.id,
        clientVersion: client.version,
        redirectUri,
        resource: audience,
        scopes,
        codeChallenge: ask.codeChallenge,
        dpopThumbprint: ask.dpopThumbprint,
        prompt: ask.prompt,
        maxAge: ask.maxAge,
        recallable: !ask.foreign && !ask.prompt.includes("consent") && isAssured(client, redirectUri),
        stage: "issuer",
        stateHash: "",
        issuer: undefined,
        user: undefined,
        userEpoch: undefined,
        authTime: undefined,
        sealedSecrets: "",
        createdAt: now,
        expiresAt: now + requestLife,
      };
      const request = only && login ? atLogin(begun, only.id, login) : begun;
      const secrets: RequestSecrets = { state: ask.state, nonce: ask.nonce, ...(login ? { login } : { form: newSecret(random) }) };
      await db.write(async (tx) => {
        await requestsTable.insert(tx, who.tenant, { ...request, sealedSecrets: await sealed(tx, who, request, secrets) });
      });
      const cookie = {
        name: requestCookie(request.id, secureCookies),
        value: cookieSecret,
        maxAge: requestLife / 1000,
        secure: secureCookies,
      };
      return login ? { kind: "login", to: login.to, cookie } : { kind: "page", request: request.id, cookie };
    },

    /**
     * What our page shows; makes nothing.
     *
     * @throws Refusal session_unknown, session_used, authorization_expired, forbidden (foreign browser), client_unknown, redirect_uri_invalid
     */
    page: async (who: Principal, id: string, cookies: Cookies): Promise<RequestPage> => {
      const request = await find(who, id, cookies);
      return pageOf(who, request, await clientOf(who, request), await openSecrets(seal, who.tenant, request));
    },

    /**
     * Where the person chose to log in.
     *
     * @throws Refusal as `page` does; forbidden (stale page); issuer_unknown, issuer_unavailable
     */
    choose: async (who: Principal, id: string, cookies: Cookies, form: { token: string; issuer: string }): Promise<RequestStep> => {
      const request = await find(who, id, cookies);
      if (request.stage === "done" || request.stage === "consent") throw used();
      const secrets = await demandForm(who, request, form.token);
      const offered = await personLogin.issuersFor(await clientOf(who, request));
      if (!offered.some((issuer) => issuer.id === form.issuer))
        throw new Refusal("issuer_unknown", "There is no such issuer to log in at.");
      const login = await personLogin.begin(who.tenant, form.issuer, request);
      await db.write(async (tx) => {
        const sealedSecrets = await sealed(tx, who, request, { ...secrets, login });
        // Pressed twice: the second login is the one that counts.
        if (!(await requestsTable.advance(tx, who.tenant, request, { ...atLogin(request, form.issuer, login), sealedSecrets })))
          throw used();
      });
      return { kind: "login", to: login.to };
    },

    /**
     * The browser comes back from the login. Answers undefined where the state is of no request here, which then is nobody's or another consent's.
     *
     * @throws Refusal as `page` does; invalid_request for parameters that repeat
     */
    loginCallback: async (who: Principal, params: URLSearchParams, cookies: Cookies): Promise<RequestStep | undefined> => {
      const [state, ...more] = params.getAll("state");
      if (state === undefined || more.length > 0) return undefined;
      const request = await requestsTable.byState(db.read, who.tenant, hashed(state));
      if (!request) return undefined;
      // RFC 6749 3.1: no parameter more than once.
      if (["code", "error", "iss"].some((name) => params.getAll(name).length > 1)) {
        const refusal = new Refusal("invalid_request", "This address is where a browser comes back from a login; its parameters repeat.");
        throw await turnedAway(who, request.client, "malformed", refusal);
      }
      await demandBrowser(who, request, cookies);
      demandTime(request);
      const client = await clientOf(who, request);
      const { login, form: _, ...secrets } = await openSecrets(seal, who.tenant, request);

      // The login's state is used up before the issuer is called.
      const burnt: AuthorizationRequest = { ...request, stateHash: "" };
      if (!login || !(await db.write((tx) => requestsTable.advance(tx, who.tenant, request, burnt)))) throw used();
      try {
        if (client.version !== request.clientVersion) throw answers.changed();
        const { user, authTime } = await personLogin.finish(who, client, request, params, { ...login, state });
        const known: AuthorizationRequest = { ...burnt, user: user.id, userEpoch: user.epoch, authTime };
        const asked = { user: user.id, resource: request.resource, scopes: request.scopes };
        if (request.recallable && (await isRemembered(db.read, client, asked))) {
          return { kind: "answer", answer: await answers.allow(who, client, burnt, known, secrets, "remembered") };
        }
        await db.write(async (tx) => {
          const sealedSecrets = await sealed(tx, who, request, { ...secrets, form: newSecret(random) });
          if (!(await requestsTable.advance(tx, who.tenant, burnt, { ...known, stage: "consent", sealedSecrets }))) throw used();
        });
        return { kind: "page", request: request.id };
      } catch (thrown) {
        if (!(thrown instanceof Refusal) || thrown.code === "session_used") throw thrown;
        return { kind: "answer", answer: await answers.refuse(who, client, burnt, secrets, thrown) };
      }
    },

    /**
     * What the person said on our page. Said twice, it is answered twice, with one code.
     *
     * @throws Refusal as `page` does; forbidden (stale page)
     */
    decide: async (who: Principal, id: string, cookies: Cookies, form: { token: string; decision: Decision }): Promise<RequestStep> => {
      const request = await find(who, id, cookies);
      const secrets = await demandForm(who, request, form.token);
      if (request.stage === "done") return { kind: "answer", answer: answers.again(request, secrets, form.decision) };
      if (request.stage !== "consent") throw used();
      const client = await clientOf(who, request);
      const answer = async (): Promise<RequestAnswer> => {
        try {
          if (client.version !== request.clientVersion) throw answers.changed();
          if (form.decision === "deny") throw answers.denied();
          return await answers.allow(who, client, request, request, secrets, "asked");
        } catch (thrown) {
          if (!(thrown instanceof Refusal) || thrown.code === "session_used") throw thrown;
          return answers.refuse(who, client, request, secrets, thrown);
        }
      };
      try {
        return { kind: "answer", answer: await answer() };
      } catch (thrown) {
        // The same button, pressed twice, and the other request was faster.
        if (!(thrown instanceof Refusal) || thrown.code !== "session_used") throw thrown;
        const now = await find(who, id, cookies);
        return { kind: "answer", answer: answers.again(now, await demandForm(who, now, form.token), form.decision) };
      }
    },
  };
};
