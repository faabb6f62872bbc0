import type { FastifyRequest } from "fastify";
import type { z } from "zod";
import { arnsIn } from "../../access/roles/index.ts";
import type { Audit } from "../../ground/audit/index.ts";
import { anonymous, type Principal, Refusal } from "../../ground/kernel/index.ts";
import type { Authn } from "../../identity/authn/index.ts";
import type { Tenants } from "../../identity/tenants/index.ts";
import { addressOf, type Fields, isWellFormedUrl, parseFields, prefixOf, tenantOf } from "../http/index.ts";
import type { About } from "./errors.ts";
import { commonParameters, secretParameters } from "./names.ts";
import { type Caller, type Operation, type Source, type Version, versions } from "./operation.ts";

/** The rooms that every operation needs. */
export interface DispatchRooms {
  readonly authn: Pick<Authn, "proveSigned">;
  readonly audit: Pick<Audit, "refused">;
  readonly tenants: Pick<Tenants, "accountOf">;
  /** What stands as the region in ARNs. */
  readonly region: string;
}

/** How many problems of one request its message names. */
const mostProblems = 5;

/** A name that may be repeated to whoever sent it: of a parameter there is, or letters alone, so that no secret in the wrong place is. */
const isNameable = (name: string, { params }: Operation): boolean => Object.hasOwn(params.shape, name) || /^[A-Za-z]{1,64}$/.test(name);

interface Problem {
  readonly parameter?: string;
  readonly missing?: true;
  readonly message: string;
}

const invalid = (problems: readonly Problem[]): Refusal =>
  new Refusal(
    "invalid_request",
    problems
      .slice(0, mostProblems)
      .map(({ message }) => message)
      .join(" "),
    { issues: problems },
  );

const problemsOf = (error: z.ZodError, fields: Readonly<Record<string, string>>, operation: Operation): readonly Problem[] =>
  error.issues.flatMap((issue): readonly Problem[] => {
    if (issue.code === "unrecognized_keys" && issue.path.length === 0)
      return issue.keys.map((key) =>
        isNameable(key, operation)
          ? { parameter: key, message: `This action has no parameter ${key}.` }
          : { message: "This action has no parameter of a name that was sent." },
      );
    const [parameter = "", ...inside] = issue.path.map(String);
    if (inside.length === 0 && fields[parameter] === undefined)
      return [{ parameter, missing: true, message: `The parameter ${parameter} is missing.` }];
    // What is wrong with a name in a record of a caller's own stands one deeper.
    const message = issue.code === "invalid_key" ? issue.issues.map((inner) => `a name in it ${inner.message}`).join(", ") : issue.message;
    const where = inside.filter((key) => isNameable(key, operation) || /^\d+$/.test(key)).join(".");
    return [{ parameter, message: `The parameter ${parameter} is not as it should be: ${where && `${where}: `}${message}.` }];
  });

/** What stands once. @throws Refusal invalid_request */
const once = (fields: Fields, into: Record<string, string>, operation: Operation): void => {
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value !== "string" || into[name] !== undefined) {
      const named = isNameable(name, operation);
      throw invalid([{ ...(named && { parameter: name }), message: `The parameter${named ? ` ${name}` : ""} stands more than once.` }]);
    }
    into[name] = value;
  }
};

const formType = /^application\/x-www-form-urlencoded\s*(?:;|$)/i;

const queryOf = (request: FastifyRequest): string => {
  const { url = "" } = request.raw;
  const at = url.indexOf("?");
  return at < 0 ? "" : url.slice(at + 1);
};

/** The path as it stood in the request line, with a tenant's prefix where it has one. */
const originalPath = (request: FastifyRequest): string => request.originalUrl.split("?", 1)[0] ?? "/";

const bodyOf = ({ body }: FastifyRequest): Buffer => (Buffer.isBuffer(body) ? body : Buffer.alloc(0));

/** The parameters in the query, and apart from them those that belong to no action. A secret does not stand in a URL, and another format than JSON is not spoken. @throws Refusal invalid_request */
const queryFields = (
  request: FastifyRequest,
  operation: Operation,
): { readonly common: Readonly<Record<string, string>>; readonly own: Fields } => {
  const common = Object.create(null) as Record<string, string>;
  const own = Object.create(null) as Fields;
  const all = request.query as Fields;
  for (const name of Object.keys(all)) {
    if (secretParameters.has(name)) throw invalid([{ parameter: name, message: `Send the parameter ${name} in the form.` }]);
    if (commonParameters.has(name)) once({ [name]: all[name] ?? "" }, common, operation);
    else own[name] = all[name] ?? "";
  }
  if (common["Format"] !== undefined && common["Format"].toLowerCase() !== "json")
    throw invalid([{ parameter: "Format", message: "This server answers in JSON only." }]);
  return { common, own };
};

/** @throws Refusal invalid_request, unsupported_media_type */
const formFields = (request: FastifyRequest): Fields => {
  const body = bodyOf(request);
  if (body.length === 0) return {};
  if (!formType.test(request.headers["content-type"] ?? ""))
    throw new Refusal("unsupported_media_type", "The body is read as application/x-www-form-urlencoded only.");
  const text = body.toString("latin1");
  if (!isWellFormedUrl(text)) throw invalid([{ message: "The form is not well-formed: percent-encoded UTF-8 without NUL is read." }]);
  return parseFields(text);
};

const single = (header: string | string[] | undefined): string | undefined => (Array.isArray(header) ? header.join(",") : header);

/** Which action is asked for: the headers say it, and where they do not, the query does. @throws Refusal action_unknown, invalid_request */
const keyOf = (request: FastifyRequest): string => {
  const query = request.query as Fields;
  const said = (header: string, name: string): string => {
    const [inHeader, inQuery] = [single(request.headers[header]), query[name]];
    if (Array.isArray(inQuery) || (inHeader !== undefined && inQuery !== undefined && inHeader !== inQuery))
      throw invalid([{ parameter: name, message: `The request names more than one ${name.toLowerCase()}.` }]);
    const value = inHeader ?? inQuery;
    if (value === undefined || value === "")
      throw invalid([{ parameter: name, missing: true, message: `Name the ${name.toLowerCase()} in the header ${header}.` }]);
    return value;
  };
  return `${said("x-acs-version", "Version")}/${said("x-acs-action", "Action")}`;
};

/** What a way in is called in the lists of who may ask. */
const kindOf = ({ method, caller }: Principal): Caller | undefined => {
  if (method === "access_key") return caller.kind === "operator" ? caller.role : caller.kind === "agent" ? "agent" : undefined;
  return method === "temporary_key" ? "temporary" : undefined;
};

const isVersion = (text: string): text is Version => Object.hasOwn(versions, text);

/** Answers the actions given: prove, check who may ask, decode, act. */
export const makeDispatch = (rooms: DispatchRooms, operations: readonly Operation[]) => {
  const { authn, audit, tenants, region } = rooms;
  const table = new Map(operations.map((operation) => [`${operation.version}/${operation.action}`, operation]));
  if (table.size !== operations.length) throw new Error("An action is there twice.");
  /** What is known of requests under way, for those that are refused. */
  const abouts = new WeakMap<FastifyRequest, About>();

  const operationOf = (request: FastifyRequest): Operation => {
    const key = keyOf(request);
    const operation = table.get(key);
    if (operation) return operation;
    const [version = ""] = key.split("/");
    throw new Refusal(
      "action_unknown",
      isVersion(version) ? "There is no such action in this version of the interface." : "There is no such version of the interface.",
    );
  };

  const prove = (request: FastifyRequest, operation: Operation, source: Source): Promise<Principal> => {
    if (request.headers.authorization === undefined && operation.callers.includes("anyone"))
      return Promise.resolve(anonymous(tenantOf(request), source.requestId, source.address));
    return authn.proveSigned({
      method: request.method,
      path: "/",
      alsoPath: originalPath(request),
      query: queryOf(request),
      rawHeaders: request.raw.rawHeaders,
      body: bodyOf(request),
      ...source,
    });
  };

  /** @throws Refusal forbidden */
  const demand = async (who: Principal, { callers, action }: Operation): Promise<void> => {
    const kind = kindOf(who);
    if (who.method === "none" || (kind !== undefined && callers.includes(kind))) return;
    await audit.refused(who, "request.refused", { details: { reason: "forbidden", action } });
    throw new Refusal("forbidden", `This access key may not call ${action}.`);
  };

  return {
    /** @throws Refusal of any kind */
    answer: async (request: FastifyRequest): Promise<object> => {
      const operation = operationOf(request);
      const { version, naming = {} } = operation;
      const about = { interface: versions[version], naming, region };
      abouts.set(request, { ...about, account: undefined });
      request.operation = `${about.interface}.${operation.action}`;
      const source = { tenant: prefixOf(request), requestId: request.id, address: addressOf(request) };
      const who = await prove(request, operation, source);
      if (who.method !== "none") request.caller = who;
      await demand(who, operation);
      const account = await tenants.accountOf(who.tenant);
      if (who.method !== "none") abouts.set(request, { ...about, account });

      const fields = Object.create(null) as Record<string, string>;
      once(queryFields(request, operation).own, fields, operation);
      once(formFields(request), fields, operation);
      const params = operation.params.safeParse(fields);
      if (!params.success) throw invalid(problemsOf(params.error, fields, operation));
      const answer = await operation.act({ who, params: params.data, arns: arnsIn({ region, account }), account, source });
      return { RequestId: request.id, ...answer };
    },

    aboutOf: (request: FastifyRequest): About =>
      abouts.get(request) ?? { interface: "agentidentity", naming: {}, account: undefined, region },
  };
};
