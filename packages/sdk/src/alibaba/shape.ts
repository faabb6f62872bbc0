/** A value is not what it should be; `path` says where. It quotes nothing: the value may be a secret. */
export class Mismatch extends Error {
  constructor(path: string, wanted: string) {
    super(`${path === "" ? "the answer" : `\`${path}\``} is not ${wanted}`);
  }
}

/** Takes a value out of an answer, or throws {@link Mismatch}. */
export type Shape<T> = (value: unknown, path?: string) => T;
/** What a shape takes out. */
export type Taken<S> = S extends Shape<infer T> ? T : never;

const of =
  <T>(wanted: string, is: (value: unknown) => value is T): Shape<T> =>
  (value, path = "") => {
    if (is(value)) return value;
    throw new Mismatch(path, wanted);
  };

export const text = of("a string", (value) => typeof value === "string");
/** A credential: an empty one is none. */
export const secret = of("a string that is not empty", (value): value is string => typeof value === "string" && value !== "");
export const whole = of("a whole number", (value): value is number => Number.isSafeInteger(value));
/** A whole number from 0, which some servers write as text. */
export const numeral: Shape<number> = (value, path = "") => {
  const number = typeof value === "string" && /^\d{1,15}$/.test(value) ? Number(value) : value;
  if (typeof number === "number" && Number.isSafeInteger(number) && number >= 0) return number;
  throw new Mismatch(path, "a whole number");
};
export const flag = of("true or false", (value) => typeof value === "boolean");

/** Absent, or null, which says the same. */
export const maybe =
  <T>(shape: Shape<T>): Shape<T | undefined> =>
  (value, path) =>
    value === undefined || value === null ? undefined : shape(value, path);

export const list =
  <T>(shape: Shape<T>): Shape<readonly T[]> =>
  (value, path = "") => {
    if (!Array.isArray(value)) throw new Mismatch(path, "a list");
    return value.map((one: unknown, at) => shape(one, `${path}[${at}]`));
  };

type Shapes = Readonly<Record<string, Shape<unknown>>>;
type Optional<F extends Shapes> = { [N in keyof F]: undefined extends Taken<F[N]> ? N : never }[keyof F];
type Fields<F extends Shapes> = { readonly [N in Exclude<keyof F, Optional<F>>]: Taken<F[N]> } & {
  readonly [N in Optional<F>]?: Taken<F[N]>;
};

/** The fields named; what else is there is left out, for a newer server says more. */
export const object =
  <F extends Shapes>(fields: F): Shape<Fields<F>> =>
  (value, path = "") => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Mismatch(path, "an object");
    const taken: [string, unknown][] = [];
    for (const [name, shape] of Object.entries(fields)) {
      const field = shape(
        Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined,
        path === "" ? name : `${path}.${name}`,
      );
      if (field !== undefined) taken.push([name, field]);
    }
    return Object.fromEntries(taken) as Fields<F>;
  };
