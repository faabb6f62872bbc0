import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { FastifyInstance, FastifyReply } from "fastify";

/** The reference's program as its package ships it, served by us: nothing is loaded from elsewhere. */
const program = fileURLToPath(new URL("js/standalone.js", import.meta.resolve("@scalar/fastify-api-reference")));

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Legate: HTTP reference</title>
</head>
<body>
<div id="app"></div>
<noscript>This page needs JavaScript. The same in one document: <a href="v1/openapi.json">openapi.json</a>.</noscript>
<script src="docs/reference.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
`;

/** Whatever would call another host is off: proxy, telemetry, fonts, the agent, the client's own site. */
const start = `Scalar.createApiReference("#app", ${JSON.stringify(
  {
    url: "v1/openapi.json",
    proxyUrl: "",
    telemetry: false,
    withDefaultFonts: false,
    agent: { disabled: true },
    mcp: { disabled: true },
    hideClientButton: true,
    showDeveloperTools: "never",
    persistAuth: false,
    defaultOpenAllTags: false,
  },
  undefined,
  2,
)});
`;

/** Its program writes style elements at run time; everything else comes from here. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** The interactive reference of this wire, at `/docs`. */
export const serveDocs = (app: FastifyInstance): void => {
  const { size, mtimeMs } = statSync(program);
  const etag = `"${createHash("sha256").update(`${size} ${mtimeMs}`).digest("base64url").slice(0, 22)}"`;
  const script = (reply: FastifyReply) => reply.type("text/javascript; charset=utf-8");

  app.get("/docs", { config: { operation: "docs", ofInstallation: true } }, (_request, reply) =>
    reply.header("content-security-policy", policy).type("text/html; charset=utf-8").send(page),
  );
  app.get("/docs/start.js", { config: { operation: "docs", ofInstallation: true } }, (_request, reply) => script(reply).send(start));
  app.get("/docs/reference.js", { config: { operation: "docs", ofInstallation: true } }, (request, reply) => {
    reply.header("cache-control", "public, max-age=0, must-revalidate").header("etag", etag);
    if (request.headers["if-none-match"] === etag) return reply.code(304).send();
    return script(reply).header("content-length", size).send(createReadStream(program));
  });
};
