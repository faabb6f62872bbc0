import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Refusal } from "../../ground/kernel/index.ts";
import { makeCedar } from "./cedar.ts";
import { deepestBrackets, deepestExpression, mostStars } from "./nesting.ts";
import { type Issue, longestStatement, readStatement } from "./statement.ts";

const cedar = makeCedar();
const when = (condition: string) => `permit(principal, action, resource) when { ${condition} };`;
const plain = "permit(principal, action, resource);";

const refusalOf = (text: string): Refusal => {
  try {
    readStatement(cedar, text);
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  throw new Error(`taken: ${text.slice(0, 100)}`);
};

const issuesOf = (text: string): readonly Issue[] => {
  const { code, details } = refusalOf(text);
  expect(code).toBe("policy_invalid");
  return details["issues"] as readonly Issue[];
};

describe("a statement", () => {
  test.each([
    plain,
    "forbid(principal, action, resource) unless { true };",
    'permit(principal is AgentIdentity::OAuthUser, action in [AIGateway::Action::"mcp-servers.a.b", AIGateway::Action::"mcp-servers.a.c"], resource == AIGateway::Gateway::"acs:apig:cn-beijing:1234567890123456:gateway/gw-1");',
    when('context.input.amount < 100 && context has sourceIp && ip(context.sourceIp).isInRange(ip("10.0.0.0/8"))'),
    '// who: everybody\n@id("one")\n@advice("ask \\"them\\"")\npermit(principal, action, resource); // the end',
    when('principal.Issuer == "https://例え.jp/🙂\u202e" && "}])" == "((("'),
    when(`${"(".repeat(deepestBrackets - 2)}true${")".repeat(deepestBrackets - 2)}`),
    when(
      Array(deepestExpression - 2)
        .fill("context.a")
        .join(" || "),
    ),
    `permit(principal, action in [${Array.from({ length: 600 }, (_, at) => `Action::"tool${at}"`).join(", ")}], resource);`,
    `${plain} // ${"(;)};if ".repeat(1_000)}`,
    when(`${'context.a == "(;)};if //" && '.repeat(40)}true`),
  ])("of Cedar is read (%#)", (text) => {
    expect(readStatement(cedar, text)).toMatchObject({ effect: text.includes("forbid(") ? "forbid" : "permit" });
  });

  test("tells its effect and its actions, by which policies are told apart before they are evaluated", () => {
    const read = readStatement(cedar, 'forbid(principal, action == AIGateway::Action::"mcp-servers.a.b", resource);');
    expect([read.effect, read.action]).toEqual(["forbid", { op: "==", entity: { type: "AIGateway::Action", id: "mcp-servers.a.b" } }]);
  });

  test.each([
    ["", "holds no statement: a policy is one"],
    ["// nothing but this; nor this;", "holds no statement: a policy is one"],
    ["permit(principal == ?principal, action, resource);", "is a template: ?principal and ?resource have no meaning here"],
    [`// ${"x".repeat(longestStatement)}`, "is longer than 32768 bytes"],
    [`// ${"界".repeat(12_000)}`, "is longer than 32768 bytes"],
    [`${plain}//${"(".repeat(100_000)}`, "is longer than 32768 bytes"],
    ["permit(principal, action, resource);\0", "is not well-formed text"],
    [when('context.a == "\ud800"'), "is not well-formed text"],
  ])("that is something else is refused (%#)", (text, message) => {
    expect(issuesOf(text)).toEqual([{ line: 1, column: 1, message }]);
  });

  test.each([
    [when("context.a == "), 1, 58, "unexpected token `}`"],
    ["permit(principal, action);", 1, 25, "missing the `resource` variable"],
    ["permit(principal, action, resource)", 1, 36, "unexpected end of input"],
    [`// 例え🙂\npermit(principal, action, resource)\nwhen { "é🙂" == };`, 3, 16, "unexpected token `}`"],
    ['@id("one")@id("two") permit(principal, action, resource);', 1, 11, "duplicate annotation"],
    [when("eval(context.a)"), 1, 44, "`eval` is not a valid function"],
    [`// the end\r${"]".repeat(2)}${plain}`, 1, 12, "unexpected ]"],
    [plain + plain, 1, 72, "holds more than one statement"],
    [`${plain}\n// one; more;\n${plain.repeat(9)}`, 3, 36, "holds more than one statement"],
    [`${plain} permit(principal in ?principal, action, resource);`, 1, 87, "holds more than one statement"],
    [`${plain};`, 1, 37, "holds more than one statement"],
    [`${plain}\n}`, 2, 1, "unexpected }"],
    ["SELECT * FROM agents;", 1, 8, "unexpected token"],
    ['permit(principal, action, resource) when { context.a == "unclosed };', 1, 57, "invalid token"],
  ])("with a fault says where it is (%#)", (text, line, column, message) => {
    const [first] = issuesOf(text);
    expect(first).toEqual({ line, column, message: expect.stringContaining(message) as string });
    expect(refusalOf(text).message).toContain(`Line ${line}, column ${column}: `);
  });

  test("with very many faults tells the first of them, and none at length", () => {
    const issues = issuesOf(
      `permit(principal, action, resource) when { ${Array.from({ length: 200 }, (_, at) => `f${at}("${"x".repeat(50)}")`).join(" && ")} };`,
    );
    expect(issues.length).toBeLessThanOrEqual(20);
    for (const { message } of issuesOf(when(`${"x".repeat(20_000)}(1)`))) expect(message.length).toBeLessThanOrEqual(500);
  });
});

describe("a statement that nests", () => {
  const bracketed: Readonly<Record<string, (levels: number) => string>> = {
    parentheses: (levels) => when(`${"(".repeat(levels)}true${")".repeat(levels)}`),
    sets: (levels) => when(`${"[".repeat(levels)}${"]".repeat(levels)} == []`),
    records: (levels) => when(`${"{a: ".repeat(levels)}1${"}".repeat(levels)} == {}`),
    calls: (levels) => when(`${"[].contains(".repeat(levels)}1${")".repeat(levels)}`),
    negations: (levels) => when(`${"!(".repeat(levels)}true${")".repeat(levels)}`),
    unclosed: (levels) => when("(".repeat(levels)),
  };
  const chained: Readonly<Record<string, (levels: number) => string>> = {
    "or-chains": (levels) => when(Array(levels).fill("context.a").join("||")),
    sums: (levels) => when(`${Array(levels).fill("1").join("+")} > 0`),
    attributes: (levels) => when(`context${".a".repeat(levels)}`),
    indexes: (levels) => when(`context${'["a"]'.repeat(levels)}`),
  };

  test.each(Object.keys(bracketed))("%s deeper than the engine bears is refused where it goes too deep", (kind) => {
    for (const levels of [deepestBrackets, 100, 1_000, 2_500]) {
      const [first] = issuesOf(bracketed[kind]?.(levels) ?? "");
      expect(first).toMatchObject({ line: 1, message: `brackets nest deeper than ${deepestBrackets}` });
      expect(first?.column).toBeGreaterThan(40);
    }
  });

  test.each(Object.keys(chained))("as %s do, one in the other, is refused however long it is", (kind) => {
    for (const levels of [deepestExpression + 3, 150, 1_000, 1_300])
      expect(issuesOf(chained[kind]?.(levels) ?? "")).toMatchObject([
        { line: 1, column: 1, message: expect.stringContaining("nest deeper") as string },
      ]);
  });

  test("as deep as it may is evaluated, also where the engine was never warmed", () => {
    const inside = (depth: number) =>
      `${"(".repeat(depth)}${Array(deepestExpression - 8)
        .fill("1")
        .join("+")}${")".repeat(depth)} > 0`;
    for (const condition of [
      inside(deepestBrackets - 2),
      `context${".a".repeat(deepestExpression - 4)} == 1 || true`,
      `${"!(".repeat(deepestBrackets - 2)}${Array(deepestExpression - deepestBrackets - 2)
        .fill("true")
        .join("||")}${")".repeat(deepestBrackets - 2)}`,
    ]) {
      const text = when(condition);
      readStatement(cedar, text);
      const answer = makeCedar()((engine) =>
        engine.isAuthorized({
          principal: { type: "User", id: "u" },
          action: { type: "Action", id: "a" },
          resource: { type: "Gateway", id: "g" },
          context: {},
          policies: { staticPolicies: { one: text } },
          entities: [],
        }),
      );
      expect(answer).toMatchObject({ type: "success" });
    }
  });
});

test.each([
  [";", "holds more than one statement"],
  [")", "unexpected )"],
  [", ", "unexpected ,"],
  ["when { } }", "unexpected }"],
  ["if then ", "has more than 64 if"],
  [" if true then true else", "has more than 64 if"],
])("what would keep the parser busy for long never comes to it: %s", (piece, message) => {
  const unasked = () => {
    throw new Error("asked");
  };
  for (const text of [piece.repeat(1_000), `permit(principal, action, resource) when { ${piece.repeat(1_000)}`])
    expect(() => readStatement(unasked, text)).toThrow(expect.objectContaining({ message: expect.stringContaining(message) as string }));
});

test.each([
  ["\\q", "not a valid escape"],
  ["\\\n", "not a valid escape"],
  ["\\🙂", "not a valid escape"],
  ["\r", "not a valid escape"],
  ["\\xZZ", "not a valid escape"],
  ["\\x80", "not a valid escape"],
  ["\\u", "not a valid escape"],
  ["\\u{", "not a valid escape"],
  ["\\u{}", "not a valid escape"],
  ["\\u{_1}", "not a valid escape"],
  ["\\u{g}", "not a valid escape"],
  ["\\u{d800}", "not a valid escape"],
  ["\\u{110000}", "not a valid escape"],
  ["\\u{0000041}", "not a valid escape"],
  ["\\*", "has more than 256 \\*"],
])("what is no escape never comes to the parser, which would be busy with it for long: %j", (escape, message) => {
  const unasked = () => {
    throw new Error("asked");
  };
  const refused = expect.objectContaining({ code: "policy_invalid", message: expect.stringContaining(message) as string }) as unknown;
  for (const text of [
    when(`context.a == "${escape.repeat(1_000)}"`),
    when(`context.a like "${escape.repeat(1_000)}"`),
    when(`[${`"${escape}", `.repeat(1_000)}] == []`),
    `@id("${escape.repeat(1_000)}`,
    // The engine's comments end at a carriage return, too.
    `// "\r @id("${escape.repeat(1_000)}") ${plain}`,
  ])
    expect(() => readStatement(unasked, text)).toThrow(refused);
});

test("every escape of Cedar is read, and one that is none is told where it stands", () => {
  const all = String.raw`\n\r\t\\\0\'\"\x41\x7F\u{1f642}\u{1_0_}\u{00E9}`;
  readStatement(cedar, when(`context.a == "${all.repeat(100)}" && context.b like "${"\\*".repeat(mostStars)}*"`));
  expect(issuesOf(when('context.a ==\n"🙂\\n\\q"'))).toEqual([{ line: 2, column: 5, message: "the input `\\q` is not a valid escape" }]);
  expect(issuesOf(when('context.a == "\\*"'))).toMatchObject([{ message: expect.stringContaining("not a valid escape") as string }]);
  expect(readStatement(cedar, `${plain} // "\\q\\q"\r\n`)).toMatchObject({ effect: "permit" });
});

describe("an engine that gave up", () => {
  /** Far past what its stack holds, and past the guard that keeps such texts from it. */
  const overflowing = when(`${"(".repeat(5_000)}true${")".repeat(5_000)}`);

  test("on one text reads the next one as ever", () => {
    const own = makeCedar();
    for (let round = 0; round < 5; round += 1) {
      expect(own((engine) => engine.policySetTextToParts(overflowing))).toBeUndefined();
      expect(own((engine) => engine.policySetTextToParts(plain))).toMatchObject({ type: "success", policies: [plain] });
      expect(readStatement(own, plain)).toMatchObject({ effect: "permit" });
    }
  });

  test("is not told from a text that nests too deep", () => {
    expect(() => readStatement(() => undefined, plain)).toThrow(expect.objectContaining({ code: "policy_invalid" }));
  });
});

test("whatever is sent is read or refused, and what is read is one statement", () => {
  const pieces = fc.constantFrom(
    ...[
      "permit",
      "forbid",
      "(",
      ")",
      "principal",
      ", ",
      "action",
      "resource",
      "==",
      " in ",
      "[",
      "]",
      "{",
      "}",
      "when",
      "unless",
      ";",
      "\n",
      "//",
      '"',
      "\\",
    ],
    ...[
      "@id",
      "::",
      "Action",
      "?principal",
      "if ",
      " then ",
      " else ",
      " has ",
      " like ",
      " is ",
      "ip",
      ".",
      "!",
      "-",
      "1",
      "9223372036854775808",
      "é",
      "🙂",
      "\r",
      "\t",
    ],
    plain,
    when("true"),
  );
  const statement = fc
    .tuple(fc.constantFrom(plain, when("true"), ""), fc.array(pieces, { maxLength: 40 }))
    .map(([head, tail]) => head + tail.join(""));
  fc.assert(
    fc.property(fc.oneof(statement, fc.string({ unit: "binary", maxLength: 200 })), (text) => {
      try {
        expect(["permit", "forbid"]).toContain(readStatement(cedar, text).effect);
      } catch (error) {
        expect(error).toMatchObject({ code: "policy_invalid" });
        for (const { line, column } of (error as Refusal).details["issues"] as readonly Issue[]) {
          expect(line).toBeLessThanOrEqual(text.split("\n").length);
          expect(column).toBeGreaterThan(0);
        }
      }
    }),
    { numRuns: 400 },
  );
});
