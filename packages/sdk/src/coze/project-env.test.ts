import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ProjectEnvVar, ProjectEnvVars } from "./index.ts";

const varsOf = (...pairs: readonly (readonly [string, string])[]) =>
  new ProjectEnvVars(pairs.map(([key, value]) => new ProjectEnvVar(key, value)));

describe("the project's variables", () => {
  const vars = varsOf(["A", "1"], ["B", ""], ["A", "2"]);

  it("are looked up by name, the first where there are several; an empty value is a value", () => {
    expect([vars.get("A"), vars.get("B"), vars.get("C"), vars.get("C", "otherwise"), vars.get("B", "otherwise")]).toEqual([
      ...["1", "", undefined, "otherwise", ""],
    ]);
    expect([vars["A"], vars["B"], vars["C"]]).toEqual(["1", "", undefined]);
    expect([vars.has("A"), vars.has("B"), vars.has("C"), "A" in vars, "C" in vars]).toEqual([true, true, false, true, false]);
    expect(vars.getOrThrow("B")).toBe("");
    expect(() => vars.getOrThrow("C")).toThrow(/^Environment variable 'C' not found$/);
  });

  it("are counted and iterated as they came", () => {
    expect(vars.size).toBe(3);
    expect([...vars].map(({ key, value }) => `${key}=${value}`)).toEqual(["A=1", "B=", "A=2"]);
    expect([...vars][0]).toBeInstanceOf(ProjectEnvVar);
  });

  it("cannot be changed, neither by index nor by the list they were made of", () => {
    const list = [new ProjectEnvVar("A", "1")];
    const made = new ProjectEnvVars(list);
    list.push(new ProjectEnvVar("B", "2"));
    expect(made.size).toBe(1);
    for (const change of [
      () => Object.assign(made, { A: "3" }),
      () => Reflect.deleteProperty(made, "A") || expect.unreachable(),
      () => Object.setPrototypeOf(made, null) as unknown,
      () => Object.defineProperty(made, "A", { value: "3" }),
    ]) {
      try {
        change();
      } catch {
        // Said below.
      }
      expect([made["A"], made.get("A"), made instanceof ProjectEnvVars]).toEqual(["1", "1", true]);
    }
  });

  it("may have the names of a class's own members, which only `get` finds then", async () => {
    const odd = varsOf(["get", "g"], ["__proto__", "p"], ["constructor", "c"], ["then", "t"], ["size", "s"]);
    expect([odd.get("get"), odd.get("__proto__"), odd.get("constructor"), odd.get("size")]).toEqual(["g", "p", "c", "s"]);
    expect(typeof odd.get).toBe("function");
    expect(odd.size).toBe(5);
    expect(await Promise.resolve(odd)).toBe(odd);
  });

  it("are equal by what they hold", () => {
    expect(varsOf(["A", "1"]).equals(varsOf(["A", "1"]))).toBe(true);
    for (const other of [varsOf(["A", "2"]), varsOf(["B", "1"]), varsOf(), varsOf(["A", "1"], ["A", "1"]), {}, null, "A"]) {
      expect(varsOf(["A", "1"]).equals(other)).toBe(false);
    }
    expect(new ProjectEnvVar("A", "1").equals(new ProjectEnvVar("A", "1"))).toBe(true);
    expect(new ProjectEnvVar("A", "1").equals({ key: "A", value: "1" })).toBe(false);
  });

  it("go to plain data and back, whatever they are", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }))), (pairs) => {
        const made = varsOf(...pairs);
        const plain = made.toDict();
        expect(plain).toEqual({ vars: pairs.map(([key, value]) => ({ key, value })) });
        expect(ProjectEnvVars.fromDict(JSON.parse(JSON.stringify(plain))).equals(made)).toBe(true);
        for (const [key] of pairs) expect(made.get(key)).toBe(pairs.find(([name]) => name === key)?.[1]);
      }),
    );
  });

  it.each([
    [undefined, "data must be a dict, got undefined"],
    [[], "data must be a dict, got object"],
    [{}, "data must contain 'vars' key"],
    [{ vars: {} }, "data['vars'] must be a list, got object"],
    [{ vars: [1] }, "data['vars'][0] must be a dict, got number"],
    [{ vars: [{ key: "A", value: "1" }, { key: "B" }] }, "data['vars'][1] must contain 'key' and 'value' keys"],
    [{ vars: [{ key: 1, value: "1" }] }, "data['vars'][0]['key'] must be a string, got number"],
    [{ vars: [{ key: "A", value: 1 }] }, "data['vars'][0]['value'] must be a string, got number"],
  ])("are not made from %j", (data, text) => {
    expect(() => ProjectEnvVars.fromDict(data)).toThrow(new TypeError(text));
  });

  it("are made of nothing but variables, and these of nothing but text", () => {
    expect(() => new ProjectEnvVars("A" as never)).toThrow(new TypeError("vars must be a list, got string"));
    expect(() => new ProjectEnvVars([{ key: "A", value: "1" }] as never)).toThrow(
      new TypeError("vars[0] must be a ProjectEnvVar object, got object"),
    );
    expect(() => new ProjectEnvVar(1 as never, "1")).toThrow(new TypeError("key must be a string, got number"));
    expect(() => new ProjectEnvVar("A", null as never)).toThrow(new TypeError("value must be a string, got object"));
  });

  it("cannot be rebuilt from what JSON shows of them", () => {
    expect(() => ProjectEnvVars.fromDict(JSON.parse(JSON.stringify(vars)))).toThrow("data['vars'][0] must contain 'key' and 'value' keys");
  });
});
