import { recordOf } from "./shown.ts";

const inspected = Symbol.for("nodejs.util.inspect.custom");

/** A variable as plain data, its value in the open. */
export interface PlainVar {
  readonly key: string;
  readonly value: string;
}

/** One variable of the project. Its value shows where it is asked for and nowhere else: printing and JSON leave it out. */
export class ProjectEnvVar {
  readonly key: string;
  readonly #value: string;

  /** @throws TypeError for a key or value that is no string */
  constructor(key: string, value: string) {
    if (typeof key !== "string") throw new TypeError(`key must be a string, got ${typeof key}`);
    if (typeof value !== "string") throw new TypeError(`value must be a string, got ${typeof value}`);
    this.key = key;
    this.#value = value;
  }

  get value(): string {
    return this.#value;
  }

  equals(other: unknown): boolean {
    return other instanceof ProjectEnvVar && other.key === this.key && other.value === this.#value;
  }

  toJSON(): { readonly key: string } {
    return { key: this.key };
  }

  [inspected](): string {
    return `ProjectEnvVar { key: ${JSON.stringify(this.key)} }`;
  }
}

/**
 * Makes `vars["NAME"]` a look-up. The constructor returns the proxy, so that a subclass puts its private fields on the proxy itself and every method
 * finds them there.
 */
class ByIndex {
  constructor() {
    const indexed: ByIndex & { readonly get?: Members["get"] } = new Proxy(this, {
      get: (target, name, self: Members) => (typeof name === "symbol" || name in target ? Reflect.get(target, name, self) : self.get(name)),
      has: (target, name) => name in target || (typeof name === "string" && indexed.get?.(name) !== undefined),
      set: () => false,
      defineProperty: () => false,
      deleteProperty: () => false,
      setPrototypeOf: () => false,
    });
    // oxlint-disable-next-line no-constructor-return
    return indexed;
  }
}

class Members extends ByIndex {
  readonly #vars: readonly ProjectEnvVar[];

  /** @throws TypeError for anything but a list of {@link ProjectEnvVar} */
  constructor(vars: readonly ProjectEnvVar[]) {
    super();
    if (!Array.isArray(vars)) throw new TypeError(`vars must be a list, got ${typeof vars}`);
    vars.forEach((one: unknown, at) => {
      if (!(one instanceof ProjectEnvVar)) throw new TypeError(`vars[${at}] must be a ProjectEnvVar object, got ${typeof one}`);
    });
    this.#vars = [...vars];
  }

  /** From what {@link toDict} answers. @throws TypeError for another shape */
  static fromDict(data: unknown): ProjectEnvVars {
    const dict = recordOf(data);
    if (!dict) throw new TypeError(`data must be a dict, got ${typeof data}`);
    if (!Object.hasOwn(dict, "vars")) throw new TypeError("data must contain 'vars' key");
    const { vars } = dict;
    if (!Array.isArray(vars)) throw new TypeError(`data['vars'] must be a list, got ${typeof vars}`);
    const list = vars.map((given: unknown, at) => {
      const one = recordOf(given);
      const here = `data['vars'][${at}]`;
      if (!one) throw new TypeError(`${here} must be a dict, got ${typeof given}`);
      if (!Object.hasOwn(one, "key") || !Object.hasOwn(one, "value")) throw new TypeError(`${here} must contain 'key' and 'value' keys`);
      const { key, value } = one;
      if (typeof key !== "string") throw new TypeError(`${here}['key'] must be a string, got ${typeof key}`);
      if (typeof value !== "string") throw new TypeError(`${here}['value'] must be a string, got ${typeof value}`);
      return new ProjectEnvVar(key, value);
    });
    return new ProjectEnvVars(list);
  }

  /** The first variable of this name, or `otherwise`. */
  get(key: string): string | undefined;
  get<T>(key: string, otherwise: T): string | T;
  get<T>(key: string, otherwise?: T): string | T | undefined {
    const found = this.#vars.find((one) => one.key === key);
    return found ? found.value : otherwise;
  }

  /** The first variable of this name. @throws Error that names it where there is none */
  getOrThrow(key: string): string {
    const value = this.get(key);
    if (value === undefined) throw new Error(`Environment variable '${key}' not found`);
    return value;
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  /** How many there are, repeated names included. */
  get size(): number {
    return this.#vars.length;
  }

  [Symbol.iterator](): IterableIterator<ProjectEnvVar> {
    return this.#vars.values();
  }

  /** Everything as plain data, values in the open. */
  toDict(): { readonly vars: readonly PlainVar[] } {
    return { vars: this.#vars.map(({ key, value }) => ({ key, value })) };
  }

  /** Whether the other holds the same variables in the same order. */
  equals(other: unknown): boolean {
    if (!(other instanceof Members) || other.size !== this.size) return false;
    const theirs = [...other];
    return this.#vars.every((one, at) => one.equals(theirs[at]));
  }

  toJSON(): { readonly vars: readonly { readonly key: string }[] } {
    return { vars: this.#vars.map((one) => one.toJSON()) };
  }

  [inspected](): string {
    // An inspector may look behind the proxy, where there is nothing.
    return #vars in this ? `ProjectEnvVars { ${this.#vars.map(({ key }) => JSON.stringify(key)).join(", ")} }` : "ProjectEnvVars {}";
  }
}

/**
 * The project's variables. `vars["NAME"]` is `vars.get("NAME")`, undefined where there is none, except for the names of this class's own members; where a
 * name occurs twice the first counts. Iterating yields {@link ProjectEnvVar}. Values are left out of printing and JSON; `toDict()` has them.
 */
export type ProjectEnvVars = Members & { readonly [key: string]: string | undefined };

// The class under a type that knows of the index, which a class cannot say of itself.
export const ProjectEnvVars = Members as unknown as {
  new (vars: readonly ProjectEnvVar[]): ProjectEnvVars;
  fromDict(data: unknown): ProjectEnvVars;
  readonly prototype: ProjectEnvVars;
};
