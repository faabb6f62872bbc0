import { once } from "node:events";
import { createServer } from "node:http";

const json = (body, status = 200) => ({ status, text: JSON.stringify(body) });
const envelope = (data) => json({ code: 0, msg: "success", data });
const good = {
  id: json({ access_token: "id-token", expires_in: 120 }),
  access: json({ access_token: "access-token", expires_in: 3600 }),
  integration: envelope({ credential: "a-credential" }),
  env: envelope({ secrets: [{ key: "A", value: "1" }] }),
};

/**
 * Each way to fail: what the endpoints answer that do not answer well. `tail` is where a text ends in words of the HTTP library's own; `mended` says that
 * the original breaks there with an error of Python's.
 */
export const faults = [
  ...["id", "access"].flatMap((step) => [
    { step, answer: json({ error: "invalid_client", error_description: "no such client" }, 401) },
    { step, answer: json({ error: "invalid_request" }, 400) },
    { step, answer: { status: 500, text: "oops" } },
    { step, answer: { status: 503, text: "" } },
    { step, answer: { status: 200, text: "<html>" }, tail: true },
    { step, answer: { status: 200, text: "" }, tail: true },
    { step, answer: json({ error: "invalid_client", error_description: "no such client" }) },
    { step, answer: json({ error: "invalid_client" }) },
    { step, answer: json({ error: null, access_token: "t" }) },
    { step, answer: json({}) },
    { step, answer: json({ access_token: "" }) },
    { step, answer: json({ access_token: null }) },
    { step, answer: json(["access_token"]), mended: true },
    { step, answer: json(null), mended: true },
    { step, answer: "cut", tail: true },
  ]),
  { step: "access", answer: json({ access_token: "t", expires_in: null }), mended: true },
  { step: "access", answer: json({ access_token: "t", expires_in: "3600" }), mended: true },
  ...["integration", "env"].flatMap((step) => [
    { step, answer: json({ code: 4040, msg: "there is none" }, 404) },
    { step, answer: json({ code: 4010, msg: "no" }, 401) },
    { step, answer: json({ code: 1 }, 403) },
    { step, answer: json({ msg: null }, 400) },
    { step, answer: json(["msg"], 400) },
    { step, answer: { status: 429, text: "slow down" } },
    { step, answer: json({ msg: "later" }, 503) },
    { step, answer: json({ code: 0 }, 201) },
    { step, answer: { status: 200, text: "<html>" }, tail: true },
    { step, answer: json([]) },
    { step, answer: json("text") },
    { step, answer: json({ code: 7, msg: "quota" }) },
    { step, answer: json({ code: 7 }) },
    { step, answer: json({ code: "0", msg: "text" }) },
    { step, answer: json({ msg: "no code" }) },
    { step, answer: json({ code: true }) },
    { step, answer: json({ code: false, data: {} }) },
    { step, answer: json({ code: 0 }) },
    { step, answer: json({ code: 0, data: [] }) },
    { step, answer: envelope({}) },
    { step, answer: "cut", tail: true },
  ]),
  { step: "integration", answer: envelope({ credential: null }) },
  { step: "integration", answer: envelope({ credential: 7 }) },
  { step: "integration", answer: envelope({ credential: "" }) },
  { step: "env", answer: envelope({ secrets: {} }) },
  { step: "env", answer: envelope({ secrets: ["A=1"] }) },
  { step: "env", answer: envelope({ secrets: [{ key: "A" }] }) },
  { step: "env", answer: envelope({ secrets: [{ key: "A", value: 1 }] }) },
  { step: "env", answer: envelope({ secrets: [{ key: "A", value: "1", more: 2 }], more: [] }) },
  { step: "none", answer: undefined },
];

/** A server on which `/<number of the fault>/<step>` fails as it says. */
export const startFaults = async () => {
  const server = createServer((request, response) => {
    request.resume();
    const [, number, place, rest] = (request.url ?? "").split("/");
    const step = place === "secret" ? rest : place;
    const fault = faults[Number(number)];
    const answer = fault?.step === step ? fault.answer : good[step];
    if (answer === "cut") return request.socket.destroy();
    response.writeHead(answer?.status ?? 404, { "content-type": "application/json" });
    response.end(answer?.text ?? "");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  const stop = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return { url: `http://127.0.0.1:${port}`, stop };
};
