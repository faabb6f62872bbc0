import type { ConsentView } from "../../access/vault/index.ts";
import { type Html, html, name } from "./html.ts";
import { page } from "./layout.ts";

const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).host || url : url);

const fact = (term: string, value: string | undefined): Html | undefined =>
  value === undefined
    ? undefined
    : html`<dt>${term}</dt><dd><code>${name(value)}</code></dd>
`;

/** Asks the person: plain words first, the technical facts folded. */
export const consentPage = (consent: ConsentView): string => {
  const { agent, provider, user, scopes, resource, returnUrl, expiresAt, formToken } = consent;
  const who = name(agent.title ?? agent.name);
  const where = name(provider.name);
  const asked =
    scopes.length === 0
      ? html`<p>It asks for nothing in particular: ${where} decides what it grants.</p>`
      : html`<p>At ${where}, it asks for these permissions:</p>
<ul>${scopes.map((scope) => html`<li><code>${name(scope)}</code></li>`)}</ul>`;
  return page(
    "Allow access?",
    "plain",
    html`Allow ${who} to use ${where} for you?`,
    html`<p>The agent <strong>${who}</strong> wants to act for <strong>${name(user.subject)}</strong> at <strong>${where}</strong>.</p>
${agent.description ? html`<p class="quiet">It is described as: ${name(agent.description)}</p>` : undefined}
<h2>What it will be able to do</h2>
${asked}
<p>It can do this until the access is taken back.</p>
<h2>What happens next</h2>
<p>You sign in at <strong>${name(hostOf(user.issuer))}</strong>, so that nobody else can answer for you; then ${where} asks you itself. The agent never sees your password.</p>
<form method="post">
<input type="hidden" name="formToken" value="${formToken}">
<button class="first" name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Deny</button>
</form>
<p class="quiet">If you did not ask for this, choose Deny. You have until ${new Date(expiresAt).toISOString().slice(11, 16)} UTC.</p>
<details>
<summary>Technical facts</summary>
<dl>
${fact("Agent", agent.name)}${fact("Agent id", agent.id)}${fact("Provider", provider.name)}${fact("Provider id", provider.id)}${fact("Kind of provider", provider.kind)}${fact("Resource", resource)}${fact("User", user.subject)}${fact("User's issuer", user.issuer)}${fact("Afterwards the browser goes to", returnUrl)}</dl>
</details>`,
  );
};
