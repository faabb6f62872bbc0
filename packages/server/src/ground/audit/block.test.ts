import fc from "fast-check";
import { expect, test } from "vitest";
import type { AuditEvent } from "./audit-event.ts";
import { canonical, eventLine, moment } from "./block.ts";

const text = fc.string({ unit: "binary" }).map((value) => value.toWellFormed());
const perhaps = fc.option(text, { nil: undefined });

test("an event's line is its fields in canonical form, whatever they hold", () => {
  const events: fc.Arbitrary<AuditEvent> = fc.record({
    id: text,
    at: fc.integer({ min: 0, max: 8_640_000_000_000_000 }),
    action: text,
    outcome: fc.constantFrom("done" as const, "refused" as const),
    callerKind: text,
    callerId: perhaps,
    agent: perhaps,
    user: perhaps,
    target: perhaps,
    requestId: text,
    address: perhaps,
    details: fc.dictionary(text, fc.jsonValue()) as fc.Arbitrary<Record<string, unknown>>,
  });
  fc.assert(
    fc.property(text, events, (tenant, event) => {
      const { callerKind, callerId, at, ...rest } = event;
      const fields = { ...rest, at: moment(at), caller: { kind: callerKind, id: callerId }, tenant, type: "event", version: 1 };
      expect(eventLine(tenant, event)).toBe(canonical(fields));
    }),
  );
});
