// The original client in Python and `@legate/sdk/coze` are asked the same, and must tell the same: of endpoints that fail in every way, and of Legate.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { faults, startFaults } from "./faults.mjs";
import { told } from "./ours.mjs";

const work = mkdtempSync(join(tmpdir(), "legate-coze-sdk-"));

/** What the original tells of these questions; undefined where it could not be asked. */
const originalTells = async ({ python, folder }, questions) => {
  const [asked, answered] = [join(work, "asked.json"), join(work, "answered.json")];
  writeFileSync(asked, JSON.stringify(questions));
  const ran = await python.run([join(folder, "original.py"), asked, answered], { seconds: 120, cwd: work });
  return ran ? JSON.parse(readFileSync(answered, "utf8")) : undefined;
};

/** Where a text ends in the HTTP library's words, what stands before them. */
const head = (text) => text.slice(0, text.indexOf(": ") + 2);

const isSame = (theirs, ours, { tail, mended }) => {
  if (mended) return ours.own === true && theirs.error !== ours.error;
  if (theirs.error === undefined) return isDeepStrictEqual(theirs, ours);
  return theirs.error === ours.error && (tail ? head(theirs.text) === head(ours.text) : theirs.text === ours.text);
};

/** Asks both and prints each difference. */
const compare = async (given, questions) => {
  const theirs = await originalTells(given, questions);
  if (!theirs) return false;
  let same = true;
  for (const [at, question] of questions.entries()) {
    const ours = await told(question);
    if (isSame(theirs[at], ours, question)) continue;
    same = false;
    console.error("Not the same:", { question: { ...question, env: undefined }, theirs: theirs[at], ours });
  }
  return same;
};

const environment = (clientId, clientSecret, tokens, outbound, more = {}) => ({
  COZE_WORKLOAD_IDENTITY_CLIENT_ID: clientId,
  COZE_WORKLOAD_IDENTITY_CLIENT_SECRET: clientSecret,
  COZE_WORKLOAD_IDENTITY_TOKEN_ENDPOINT: tokens[0],
  COZE_WORKLOAD_ACCESS_TOKEN_ENDPOINT: tokens[1],
  COZE_OUTBOUND_AUTH_ENDPOINT: outbound,
  ...more,
});

const faultQuestions = (url) =>
  faults.flatMap(({ step, answer, ...marks }, number) => {
    const base = `${url}/${number}`;
    const env = environment("client", "secret", [`${base}/id`, `${base}/access`], `${base}/secret`);
    const calls = step === "env" ? ["env"] : step === "integration" ? ["integration"] : ["token", "env", "integration"];
    return calls.map((call) => ({ env, call, name: "x", fault: { step, answer }, ...marks }));
  });

const configurationQuestions = (env) => {
  const without = (...names) => Object.fromEntries(Object.entries(env).filter(([name]) => !names.includes(name)));
  return [
    { env: {}, call: "token" },
    { env: without("COZE_WORKLOAD_IDENTITY_CLIENT_SECRET", "COZE_WORKLOAD_ACCESS_TOKEN_ENDPOINT"), call: "token" },
    { env: { ...env, COZE_WORKLOAD_IDENTITY_CLIENT_ID: "" }, call: "token" },
    { env: without("COZE_OUTBOUND_AUTH_ENDPOINT"), call: "env" },
    { env: { ...env, COZE_OUTBOUND_AUTH_ENDPOINT: "" }, call: "integration", name: "x" },
    { env: {}, call: "proxy" },
    { env: { COZE_OUTBOUND_AUTH_PROXY: "http://u:p@proxy:1" }, call: "proxy" },
    ...["ticket", "a b+c/d?e@f:g!h'i(j)k*l~m_n.o-p", "é🔑&=%25", '"<>\\^`{|}#[];,$'].flatMap((identity_ticket) => [
      { env: { COZE_OUTBOUND_AUTH_PROXY: "http://u:p@proxy.example.com:1/x?q=1", identity_ticket }, call: "proxy" },
      { env: { COZE_SKILL_PROXY_DOMAIN: "HTTPS://[::1]", COZE_OUTBOUND_AUTH_PROXY: "http://other", identity_ticket }, call: "proxy" },
    ]),
  ];
};

/** What both should read from Legate. */
const register = async ({ ask, url }) => {
  await ask("PUT", "/v1/projects/judged-shop", {});
  const agent = await ask("POST", "/v1/agents", { name: "judged-coze", project: "judged-shop" });
  const { clientId, clientSecret } = await ask("POST", `/v1/agents/${agent.id}/client-secrets`, {});
  const { apiKey } = await ask("POST", `/v1/agents/${agent.id}/keys`, {});
  const variables = { GREETING: "hello", LINES: 'one\ntwo = "three"\r\n', EMPTY: "", SCRIPT: "仓库 🔑" };
  for (const [name, value] of Object.entries(variables)) await ask("PUT", `/v1/projects/judged-shop/variables/${name}`, { value });
  await ask("PUT", "/v1/projects/judged-shop/variables/GREETING", { value: "blue hello", lane: "ppe_blue" });
  await ask("PUT", "/v1/projects/judged-shop/integrations/weather", { credential: "credential of the weather" });
  const token = `${url}/coze/token`;
  return { apiKey, env: environment(clientId, clientSecret, [token, token], `${url}/coze/secret`) };
};

const legateQuestions = (env) => [
  { env, call: "token" },
  { env, call: "env" },
  ...["ppe_blue", "boe_unknown", "", "none"].map((lane) => ({ env: { ...env, COZE_SERVER_ENV: lane }, call: "env" })),
  { env: { ...env, COZE_OUTBOUND_AUTH_ENDPOINT: `${env.COZE_OUTBOUND_AUTH_ENDPOINT}/` }, call: "env" },
  { env, call: "integration", name: "weather" },
  { env, call: "integration", name: "nothing-of-this-name" },
  { env, call: "integration", name: "" },
  { env, call: "integration", name: "x".repeat(300) },
  { env: { ...env, COZE_WORKLOAD_IDENTITY_CLIENT_SECRET: "wrong" }, call: "token" },
  { env: { ...env, COZE_WORKLOAD_IDENTITY_CLIENT_ID: "agt_00000000000000000000000000000000" }, call: "env" },
  { env: { ...env, COZE_WORKLOAD_ACCESS_TOKEN_ENDPOINT: `${env.COZE_WORKLOAD_ACCESS_TOKEN_ENDPOINT}/nowhere` }, call: "env" },
  { env: { ...env, COZE_OUTBOUND_AUTH_ENDPOINT: `${env.COZE_OUTBOUND_AUTH_ENDPOINT}/nowhere` }, call: "env" },
];

const skillQuestions = (url, apiKey) => {
  // As long as the platform's own ids, and beyond what a number of JavaScript's holds.
  const agentFolder = join(work, ".coze/agents/7461234567890123457");
  mkdirSync(join(agentFolder, "skills/weather"), { recursive: true });
  const skills = [
    { relPath: "skills/other", skillId: "1" },
    { relPath: "/skills/weather/", skillID: "7469999999999999993" },
  ];
  writeFileSync(join(agentFolder, "config.json"), JSON.stringify({ patToken: apiKey, skills }));
  const env = { COZE_SKILL_ENV_ENDPOINT: `${url}/coze/skill-envs` };
  const ask = (path, more = {}) => ({ env: { ...env, ...more }, call: "skill", source: join(agentFolder, path) });
  return [
    ask("skills/weather/main.py"),
    ask("main.py"),
    ask("../../elsewhere/main.py"),
    ask("skills/weather/main.py", { COZE_SKILL_ENV_ENDPOINT: `${url}/coze/nowhere` }),
    ask("skills/weather/main.py", { COZE_SKILL_ENV_ENDPOINT: "http://127.0.0.1:1" }),
  ];
};

/** The judge of the TypeScript client: the original itself. */
export default async function* judges(given) {
  const { server } = given;
  const broken = await startFaults();
  try {
    yield {
      name: "the SDK's client tells of every failure as the original does",
      passed: await compare(given, faultQuestions(broken.url)),
    };
  } finally {
    await broken.stop();
  }
  const { env, apiKey } = await register(server);
  yield { name: "the SDK's client is configured as the original is", passed: await compare(given, configurationQuestions(env)) };
  const fromLegate = legateQuestions(env);
  yield { name: "the SDK's client reads from Legate what the original reads", passed: await compare(given, fromLegate) };
  yield {
    name: "and both read what was stored there",
    passed: isDeepStrictEqual(
      (await told(fromLegate[2])).value?.vars.find(({ key }) => key === "GREETING"),
      {
        key: "GREETING",
        value: "blue hello",
      },
    ),
  };
  const skills = skillQuestions(server.url, apiKey);
  yield { name: "the SDK loads skills' environments as the original does", passed: await compare(given, skills) };
  yield { name: "and both load what was stored there", passed: (await told(skills[0])).value?.set.GREETING === "hello" };
  rmSync(work, { recursive: true, force: true });
}
