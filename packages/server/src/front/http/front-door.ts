import type { FastifyInstance } from "fastify";

/** `GET /`: what this is, for people and for programs. */
export const serveFrontDoor = (app: FastifyInstance, publicUrl: string): void => {
  const about = {
    name: "Legate",
    description: "Identity and credential server for AI agents.",
    docs: `${publicUrl}/docs`,
    openapi: `${publicUrl}/v1/openapi.json`,
    keys: `${publicUrl}/.well-known/jwks.json`,
    health: `${publicUrl}/readyz`,
  };
  const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>Legate</title>
<h1>Legate</h1>
<p>${about.description}</p>
<ul>
<li><a href="docs">Reference of its HTTP interface</a></li>
<li><a href="v1/openapi.json">OpenAPI document</a></li>
<li><a href="readyz">Health</a></li>
</ul>
</html>
`;
  app.get("/", { config: { operation: "about", ofInstallation: true } }, (request, reply) => {
    reply.header("vary", "accept");
    return (request.headers.accept ?? "").includes("text/html") ? reply.type("text/html; charset=utf-8").send(page) : reply.send(about);
  });
};
