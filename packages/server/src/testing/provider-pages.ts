import type { IncomingMessage, ServerResponse } from "node:http";
import type { Interaction, InteractionResults, Provider } from "oidc-provider";

const escaped = (text: string) => text.replaceAll(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);

const page = (title: string, body: string) => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:10vh auto;padding:0 1rem}button,input{font:inherit;padding:.5rem 1rem;margin:.25rem 0}</style>
</head><body><h1>${title}</h1>${body}</body></html>`;

const loginPage = (uid: string) =>
  page(
    "Sign in to Example",
    `<form method="post" action="/interaction/${uid}/login"><p><label>Your name<br><input name="login" required autofocus autocomplete="username"></label></p>
<button type="submit">Continue</button></form>`,
  );

const consentPage = (uid: string, client: string, scopes: readonly string[]) =>
  page(
    "Allow access?",
    `<p><strong>${escaped(client)}</strong> asks for:</p><ul>${scopes.map((scope) => `<li>${escaped(scope)}</li>`).join("")}</ul>
<form method="post" action="/interaction/${uid}/allow"><button type="submit">Allow</button></form>
<form method="post" action="/interaction/${uid}/deny"><button type="submit">Deny</button></form>`,
  );

interface Missing {
  readonly missingOIDCScope?: string[];
  readonly missingOIDCClaims?: string[];
  readonly missingResourceScopes?: Record<string, string[]>;
}

const grantAll = async (provider: Provider, interaction: Interaction, withheld: readonly string[]): Promise<InteractionResults> => {
  const known = interaction.grantId === undefined ? undefined : await provider.Grant.find(interaction.grantId);
  const accountId = interaction.session?.accountId;
  const grant = known ?? new provider.Grant({ accountId, clientId: String(interaction.params["client_id"]) });
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = interaction.prompt.details as Missing;
  for (const scope of missingOIDCScope ?? []) {
    if (withheld.includes(scope)) grant.rejectOIDCScope(scope);
    else grant.addOIDCScope(scope);
  }
  if (missingOIDCClaims) grant.addOIDCClaims(missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {})) {
    for (const scope of scopes) {
      if (withheld.includes(scope)) grant.rejectResourceScope(resource, scope);
      else grant.addResourceScope(resource, scope);
    }
  }
  return { consent: { grantId: await grant.save() } };
};

const readForm = async (request: IncomingMessage): Promise<URLSearchParams> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return new URLSearchParams(Buffer.concat(chunks).toString("utf8"));
};

/** The pages between an authorization request and its answer: a name to go by, then Allow or Deny. */
export const serveInteraction = async (
  provider: Provider,
  withheld: readonly string[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  const interaction = await provider.interactionDetails(request, response);
  if (request.method !== "POST") {
    const { scope } = interaction.params;
    const asked = (typeof scope === "string" ? scope : "").split(" ").filter(Boolean);
    const html =
      interaction.prompt.name === "login"
        ? loginPage(interaction.uid)
        : consentPage(interaction.uid, String(interaction.params["client_id"]), asked);
    response.writeHead(200, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" }).end(html);
    return;
  }
  const form = await readForm(request);
  const action = request.url?.split("/").at(-1);
  if (action === "login") {
    const accountId = form.get("login")?.trim() || "somebody";
    await provider.interactionFinished(request, response, { login: { accountId } }, { mergeWithLastSubmission: false });
  } else if (action === "deny") {
    const result = { error: "access_denied", error_description: "The person said no." };
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  } else {
    const result = await grantAll(provider, interaction, withheld);
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
  }
};
