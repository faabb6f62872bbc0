import { describe, expect, test } from "vitest";
import { parseXml } from "./xml.ts";

describe("an XML answer", () => {
  test("is read with its declaration, attributes, references and empty elements", () => {
    const text = '\uFEFF<?xml version="1.0" encoding="UTF-8"?>\n<A xmlns="x" b=\'y\'>\n <B> one &amp;&#65;&#x42;&lt; </B><C/><B></B></A>\n';
    expect(parseXml(text)).toEqual({
      name: "A",
      text: "",
      children: [
        { name: "B", text: "one &AB<", children: [] },
        { name: "C", text: "", children: [] },
        { name: "B", text: "", children: [] },
      ],
    });
  });

  test.each([
    ["nothing", ""],
    ["JSON", '{"a":1}'],
    ["text beside the root", "x<A/>"],
    ["two roots", "<A/><B/>"],
    ["a root after the root", "<A></A><B></B>"],
    ["an element that is not closed", "<A><B></A>"],
    ["an element that is never closed", "<A>"],
    ["one that was never opened", "</A>"],
    ["a document type", '<!DOCTYPE A [<!ENTITY x "y">]><A>&x;</A>'],
    ["an entity of its own", "<A>&x;</A>"],
    ["an entity of the name of what every object has", "<A>&constructor;</A>"],
    ["an entity called __proto__", "<A>&__proto__;</A>"],
    ["a reference without an end", "<A>&amp</A>"],
    ["a reference to no character", "<A>&#0;</A>"],
    ["a reference to half a character", "<A>&#xD800;</A>"],
    ["CDATA", "<A><![CDATA[x]]></A>"],
    ["a comment", "<A><!-- x --></A>"],
    ["an instruction", "<A><?x y?></A>"],
    ["a prefix", "<x:A/>"],
    ["17 levels", `${"<A>".repeat(17)}${"</A>".repeat(17)}`],
    ["an attribute without quotes", "<A b=c/>"],
  ])("is none with %s", (_what, text) => {
    expect(parseXml(text)).toBeUndefined();
  });

  test("made to be slow is not", () => {
    for (const text of [`<A${" ".repeat(60_000)}`, `<A>${"&".repeat(60_000)}</A>`, `<A ${'b="" '.repeat(12_000)}`, "<".repeat(60_000)])
      expect(parseXml(text)).toBeUndefined();
  });
});
