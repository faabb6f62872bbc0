import { type Code, codes } from "@legate/contract";
import { settings } from "../config/index.ts";
import { errors, openApiOf } from "../front/native/index.ts";

/** A generated document: its path below `docs/reference`, and its text. */
export interface Document {
  readonly path: string;
  readonly text: string;
}

/** In a table's cell a bar would begin the next one. */
const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => "---"), ...rows.map((row) => row.map(cell))].map((row) => `| ${row.join(" | ")} |`).join("\n");

const code = (text: string): string => `\`${text}\``;

const settingsPage = (): string => `# Settings

Every setting is an environment variable. All problems are reported at once, at start, and the server does not start with any. An empty variable counts as
not set. A variable that begins \`LEGATE_\` and is neither in this table nor one of the SDK's is warned about. Secrets are never printed.

${table(
  ["Variable", "Meaning", "When it is not set"],
  Object.values(settings).map((setting) => [
    code(setting.name),
    `${setting.sentence}${setting.secret ? " **Secret.**" : ""}`,
    setting.default,
  ]),
)}

Whether the server is exposed is judged by \`LEGATE_PUBLIC_URL\` and \`LEGATE_HOST\`: when either is not loopback, the public URL must be https. Cookies are
\`Secure\` exactly when it is.
`;

const errorsPage = (): string => {
  const byStatus = (Object.keys(codes) as Code[])
    .map((name, at) => ({ name, at }))
    .sort((a, b) => errors[a.name] - errors[b.name] || a.at - b.at);
  return `# Error codes

Every refusal of \`/v1\` reads \`{ "error": { "code", "message", "requestId", "details"? } }\`. The set of codes is closed: programs decide by \`code\`, people
read \`message\`, and \`requestId\` (also in the header \`x-request-id\`) finds the request in logs and audit.

${table(
  ["Status", "Code", "Meaning"],
  byStatus.map(({ name }) => [String(errors[name]), code(name), codes[name]]),
)}
`;
};

/** The documents, made anew from the code. */
export const makeDocuments = (): readonly Document[] => [
  { path: "settings.md", text: settingsPage() },
  { path: "errors.md", text: errorsPage() },
  {
    path: "openapi.json",
    text: `${JSON.stringify(openApiOf("http://127.0.0.1:8700"), undefined, 2)}\n`,
  },
];
