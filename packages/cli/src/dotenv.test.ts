import { expect, test } from "vitest";
import { writeDotenv } from "./dotenv.ts";

test("values are written as they can be read back", () => {
  const variables = [
    { name: "PLAIN", value: "https://a.example/b?c".replace("?c", "") },
    { name: "EMPTY", value: "" },
    { name: "BLANK", value: "a b # no comment" },
    { name: "QUOTE", value: "it's" },
    { name: "LINES", value: 'a\nb "c" \\ $d' },
  ];
  expect(writeDotenv(variables)).toBe(
    'PLAIN=https://a.example/b\nEMPTY=\nBLANK=\'a b # no comment\'\nQUOTE="it\'s"\nLINES="a\\nb \\"c\\" \\\\ \\$d"\n',
  );
});
