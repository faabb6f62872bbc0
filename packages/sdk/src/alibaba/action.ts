import type { Shape } from "./shape.ts";

/** The interfaces this subpath speaks, by the version that names each on the wire. */
export const versions = { control: "2025-09-01", data: "2025-11-27", ram: "2015-05-01", sts: "2015-04-01" } as const;
/** Which interface an action belongs to. */
export type Plane = keyof typeof versions;

/** One thing that can be asked: parameters by their names on the wire, and the shape of the answer. */
export interface Action<P, A> {
  readonly answer: Shape<A>;
  /** Whether asking twice does no more than asking once. */
  readonly repeatable: boolean;
  /** Where parameters travel; the form unless said. */
  readonly query?: boolean;
  /** Sent without a signature: what is in the parameters proves the caller. */
  readonly anonymous?: boolean;
  /** Parameters that no error may quote. */
  readonly secrets?: readonly string[];
  /** For the compiler alone. */
  readonly params?: P;
}

type More = Omit<Action<never, never>, "answer" | "repeatable" | "params">;

/** An action that changes nothing, or the same thing however often it is asked. */
export const reading =
  <P>() =>
  <A>(answer: Shape<A>, more: More = {}): Action<P, A> => ({ answer, repeatable: true, ...more });
/** An action that must not be repeated once it may have arrived. */
export const writing =
  <P>() =>
  <A>(answer: Shape<A>, more: More = {}): Action<P, A> => ({ answer, repeatable: false, ...more });

type AnyAction = Action<object, unknown>;
/** Actions by name. */
export type Actions = Readonly<Record<string, AnyAction>>;
/** What an action is asked with. */
export type ParamsOf<T extends AnyAction> = NonNullable<T["params"]>;
/** What every answer carries. */
export interface Answered {
  /** Finds the request in the service's records. */
  readonly RequestId?: string | undefined;
}
/** What an action answers. */
export type AnswerOf<T extends AnyAction> = ReturnType<T["answer"]> & Answered;

/** How a list is paged. */
export interface Paging {
  /** 100 unless said; at most 1,000. */
  readonly MaxResults?: number | undefined;
  /** Of the page before; absent for the first one. */
  readonly NextToken?: string | undefined;
}
