import type { Ask } from "./ask.ts";
import { type ErrorFacts, TokenExchangeError, TokenRetrievalError } from "./errors.ts";
import { answered, tellerOf } from "./fault.ts";
import { laneHeaders } from "./lane.ts";
import type { Settings } from "./settings.ts";
import { parsed, recordOf } from "./shown.ts";
import type { Flow, Minted } from "./tokens.ts";

type Fields = Readonly<Record<string, unknown>>;

const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

/** What stands in a refusal's body (RFC 6749 5.2). */
const refusal = (body: Fields | undefined): ErrorFacts => ({ code: text(body?.error), detail: text(body?.error_description) });

/** A token has to fit into a header: `fetch` quotes a header that it refuses. */
const isToken = (value: unknown): value is string => typeof value === "string" && /^[\x21-\x7e]+$/.test(value);

/** Makes the two requests of the token flow, and the errors that the original gives for each way in which they fail. */
export const makeFlow = (settings: Settings, ask: Ask): Flow => {
  const { clientId, clientSecret } = settings;

  const post = async (
    step: "id-token" | "access-token",
    url: string,
    form: Readonly<Record<string, string>>,
    secrets: readonly string[],
    signal: AbortSignal,
  ) => {
    const headers = {
      "content-type": "application/x-www-form-urlencoded",
      "user-agent": "coze-workload-identity/0.1.14 (compatible; @legate/sdk)",
      ...laneHeaders(settings.lane),
    };
    const asking = ask({ step, method: "POST", url, headers, body: new URLSearchParams(form).toString(), secrets }, signal);
    const answer = await answered(asking, TokenRetrievalError, "Failed to retrieve token");
    const { status, statusText } = answer;
    const { fault, said } = tellerOf(answer, secrets);
    const body = recordOf(parsed(answer.text));
    if (status < 200 || status >= 300) {
      const { origin, pathname } = new URL(url);
      if (status < 400) {
        const words = `Failed to retrieve token: redirects are not followed, and ${origin}${pathname} answered ${status}`;
        throw fault(TokenRetrievalError, words, { code: "redirect" });
      }
      const whose = status < 500 ? "Client" : "Server";
      const words = `Failed to retrieve token: ${status} ${whose} Error: ${said(statusText)} for url: ${origin}${pathname}`;
      throw fault(TokenRetrievalError, words, refusal(body));
    }
    if (parsed(answer.text) === undefined) {
      throw fault(TokenRetrievalError, "Failed to retrieve token: the answer is not JSON");
    }
    if (!body) throw fault(TokenRetrievalError, "Invalid token response format: expected JSON object");
    if (Object.hasOwn(body, "error")) {
      const words = Object.hasOwn(body, "error_description") ? body.error_description : body.error;
      throw fault(TokenRetrievalError, `Token request failed: ${said(words)}`, refusal(body));
    }
    return { body, fault };
  };

  return {
    idToken: async (signal): Promise<Minted> => {
      const form = { client_id: clientId, client_secret: clientSecret, grant_type: "client_credentials" };
      const { body, fault } = await post("id-token", settings.tokenEndpoint, form, [clientSecret], signal);
      const token = body.access_token;
      if (typeof token !== "string" || token === "") throw fault(TokenRetrievalError, "No access_token found in ID token response");
      // The original never looks at this life, so a server may leave it out or send anything: such a token is used once.
      return { token, lifeMs: typeof body.expires_in === "number" ? body.expires_in * 1000 : undefined };
    },

    accessToken: async (idToken, signal): Promise<Minted> => {
      const form = {
        client_id: clientId,
        subject_token: idToken,
        subject_token_type: "urn:ietf:params:oauth:token-type:id_token",
        grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      };
      const { body, fault } = await post("access-token", settings.accessTokenEndpoint, form, [clientSecret, idToken], signal);
      const { access_token: token, expires_in: seconds = 3600 } = body;
      if (typeof token !== "string" || token === "") throw fault(TokenExchangeError, "No access_token found in access token response");
      if (!isToken(token)) throw fault(TokenRetrievalError, "Invalid token response format: access_token cannot stand in a header");
      if (typeof seconds !== "number") throw fault(TokenRetrievalError, "Invalid token response format: expires_in must be a number");
      return { token, lifeMs: seconds * 1000 };
    },

    late: () => settings.log({ level: "warn", message: "The access token could not be renewed ahead of its end.", step: "access-token" }),
  };
};
