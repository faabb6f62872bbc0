import { codes, errorAnswer, type Operation, operations } from "@legate/contract";
import { z } from "zod";
import { errors } from "../../packages/server/src/front/native/errors.ts";
import type { Exchange, RawAnswer } from "./raw-http.ts";
import type { Asked } from "./requests.ts";

const byId: Readonly<Record<string, Operation>> = operations;

/** What is said of bytes in which there is no request: by their own status, whatever the code's usual one is. */
const unreadable: Readonly<Record<number, string>> = { 400: "invalid_request", 408: "invalid_request", 431: "payload_too_large" };

/** Pages for people answer in HTML. */
const isPage = (target: string): boolean => /^(\/t\/[^/]*)?\/((consent|callback|login)\/|oauth2\/authorize\b)/.test(target);

/** Signed requests come to one address of each tenant, of which the default one has no prefix; `*` is the root too. Another method is answered as elsewhere. */
const isAlibaba = ({ method, target }: Asked): boolean => method === "POST" && /^(\*|((\/t\/(?!default\/)[^/?]*)?\/))($|\?)/.test(target);

const alibabaError = z.strictObject({ RequestId: z.string(), Code: z.string().regex(/^[A-Z]\w+(\.\w+)*$/), Message: z.string().min(1) });
const alibabaAnswer = z.looseObject({ RequestId: z.string() });

const utf8 = (bytes: string): string => Buffer.from(bytes, "latin1").toString("utf8");

const refusalFaults = (op: Operation | undefined, { status, headers, body }: RawAnswer): readonly string[] => {
  const parsed = errorAnswer.safeParse(JSON.parse(utf8(body)));
  if (!parsed.success) return ["an error of another form"];
  const { code, requestId } = parsed.data.error;
  const faults: string[] = [];
  if (requestId !== headers["x-request-id"]) faults.push("another request id in its body");
  if (!(code in codes)) faults.push(`an unknown code ${code}`);
  if (errors[code] !== status && unreadable[status] !== code) faults.push(`${status} with code ${code}`);
  // Every operation may say `unavailable`; how often it did is judged when all is over.
  if (status >= 500 && !(status === 503 && (code === "unavailable" || op?.refusals.includes(code)))) faults.push(`${status} ${code}`);
  if ((status === 503 || status === 429) && headers["retry-after"] === undefined) faults.push(`${status} without Retry-After`);
  return faults;
};

const alibabaFaults = ({ status, headers, body }: RawAnswer): readonly string[] => {
  const parsed = (status === 200 ? alibabaAnswer : alibabaError).safeParse(JSON.parse(utf8(body)));
  if (!parsed.success) return [`${status} of another form`];
  const faults: string[] = [];
  const { RequestId, Code } = parsed.data as { readonly RequestId: string; readonly Code?: string };
  if (RequestId !== headers["x-request-id"]) faults.push("another request id in its body");
  if (status !== 200 && status < 400) faults.push(`an undocumented ${status}`);
  if (status >= 500 && !Code?.startsWith("ServiceUnavailable")) faults.push(`${status} ${Code}`);
  if ((status === 503 || status === 429) && headers["retry-after"] === undefined) faults.push(`${status} without Retry-After`);
  if (status === 401 && headers["www-authenticate"] === undefined) faults.push("401 without WWW-Authenticate");
  return faults;
};

const successFaults = (op: Operation | undefined, asked: Asked, { status, headers, body }: RawAnswer): readonly string[] => {
  if (headers["content-type"]?.startsWith("application/jsonl")) {
    for (const line of utf8(body).trimEnd().split("\n")) JSON.parse(line);
    return op?.id === "exportAuditEvents" ? [] : ["lines of JSON that nobody asked for"];
  }
  if (!op || asked.method !== op.method || !asked.target.startsWith("/v1/")) return [];
  const wanted = status === op.status ? op.answer : status === op.also?.status ? op.also.answer : undefined;
  if (!wanted) return [`an undocumented ${status}`];
  if (status === 204) return body === "" ? [] : ["a body with 204"];
  return wanted.safeParse(JSON.parse(utf8(body))).success ? [] : ["an answer of another form than documented"];
};

/** What is wrong with an answer; nothing, as a rule. */
export const faultsOf = (asked: Asked, isWhole: boolean, exchange: Exchange): readonly string[] => {
  if (exchange === "silent") return ["no answer, and the connection stays open"];
  // Nobody answers what asks to become a tunnel; of what is broken the connection may just end.
  if (exchange === "closed") return isWhole && asked.method !== "CONNECT" ? ["the connection was closed without an answer"] : [];
  if (exchange === "left") return [];
  const { status, headers, body } = exchange;
  const op = asked.operation === undefined ? undefined : byId[asked.operation];
  const faults: string[] = [];
  if (!Number.isInteger(status)) return ["a status line that is none"];
  if (!/^req_[0-9a-f]{32}$/.test(headers["x-request-id"] ?? "")) faults.push(`${status} without x-request-id`);
  if (status >= 500 && status !== 503) faults.push(`${status}`);
  if (/\bat .*\.(js|ts):\d+|node_modules/.test(body)) faults.push("a stack");
  if (asked.method === "HEAD") return faults;
  try {
    // Of bytes in which there is no request nobody knows the address.
    if (isAlibaba(asked) && !(status in unreadable && body.startsWith('{"error"'))) faults.push(...alibabaFaults(exchange));
    else if (status >= 400) {
      if (!isPage(asked.target)) faults.push(...refusalFaults(op, exchange));
      else if (!headers["content-type"]?.startsWith("text/html") && !body.startsWith("{")) faults.push("a page that is none");
    } else faults.push(...successFaults(op, asked, exchange));
  } catch {
    faults.push("a body that is not JSON");
  }
  return faults;
};
