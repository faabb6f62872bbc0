import { expect, test } from "vitest";
import { kindlyBelow } from "./slashes.ts";

const { mended, refusedAt } = kindlyBelow(["/coze"], "/-");

test.each([
  ["/coze//token", "/coze/token"],
  ["//coze/token/", "/coze/token"],
  ["/coze///secret//env//", "/coze/secret/env"],
  ["/coze/secret//env?next=//a//&b=1?c=//", "/coze/secret/env?next=//a//&b=1?c=//"],
  ["/coze/", "/coze"],
])("below a prefix slashes count once: %s", (url, wanted) => {
  expect(mended(url)).toBe(wanted);
});

test.each(["/", "//", "/coze", "/coze?x=//", "/cozen//token", "/v1//agents/", "//v1/coze//token", "/v1/agents?to=/coze//token"])(
  "what is not below one stays as it is: %s",
  (url) => {
    expect(mended(url)).toBe(url);
  },
);

test.each([
  ["/coze/secret/env?project_id=%00", "/coze/-"],
  ["//coze//%zz", "/coze/-"],
  ["/?x=%zz", "/"],
  ["/t/acme/?x=%zz", "/"],
  ["/%zz", "/-"],
  ["/t/acme/coze/%00", "/coze/-"],
  ["/v1/agents?x=%00", "/-"],
  ["/v1/coze/%00", "/-"],
  ["/%00/coze/", "/-"],
])("what cannot be read is refused by the wire it was meant for: %s", (url, place) => {
  expect(refusedAt(url)).toBe(place);
});
