import { Refusal } from "../../ground/kernel/index.ts";
import type { Binding } from "./session.ts";

interface Asked {
  readonly agent: { readonly binding: Binding | undefined; readonly allowedReturnUrls: readonly string[] };
  readonly returnUrl: string | undefined;
  /** Whether the user is proven and its issuer has a `login`. */
  readonly canLogIn: boolean;
}

const required = (message: string) => new Refusal("return_url_required", message);

/**
 * Which binding a consent gets. What the agent says holds; where it says nothing, a return URL means `application`, none means `login`. Nobody
 * gets `none` who did not ask for it.
 *
 * @throws Refusal return_url_required, return_url_not_allowed
 */
export const chooseBinding = ({ agent, returnUrl, canLogIn }: Asked): Binding => {
  // RFC 9700 4.1.3: exact comparison, nothing normalised.
  if (returnUrl !== undefined && !agent.allowedReturnUrls.includes(returnUrl)) {
    throw new Refusal("return_url_not_allowed", "The return URL is not, character for character, on the agent's list.", {
      allowed: agent.allowedReturnUrls,
    });
  }
  const said = agent.binding ?? (returnUrl === undefined ? "login" : "application");
  if (said === "application" && returnUrl === undefined) {
    throw required("This agent's consents are bound by the application. Send a return URL, or set the agent's binding to login or none.");
  }
  if (said === "login" && !canLogIn) {
    throw required(
      agent.binding === "login"
        ? "This agent's consents are bound by a login. Give its trusted issuer a login client and prove the user with a token of that issuer, or set the agent's binding to application and send a return URL."
        : "Send a return URL; or set the agent's binding to login (the user proven by an issuer that has a login client) or to none.",
    );
  }
  return said;
};
