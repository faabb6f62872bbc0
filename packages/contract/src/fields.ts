import { z } from "zod";

/** Well-formed Unicode without NUL: what every string on the wire must be. */
const wellFormed = (text: string) => text.isWellFormed() && !text.includes("\0");

const wellFormedMessage = "must be well-formed Unicode without NUL";

/** A string of 1 to `max` characters, well-formed and without NUL. */
export const text = (max: number) => z.string().min(1).max(max).refine(wellFormed, wellFormedMessage);

/** As {@link text}, and may be empty. */
export const textOrEmpty = (max: number) => z.string().max(max).refine(wellFormed, wellFormedMessage);

/** An absolute http or https URL without user information or fragment, kept exactly as given. */
export const webUrl = z
  .string()
  .max(2048)
  .refine((value) => {
    if (!wellFormed(value) || !URL.canParse(value)) return false;
    const url = new URL(value);
    return (url.protocol === "https:" || url.protocol === "http:") && !url.username && !url.password && !value.includes("#");
  }, "must be an absolute http or https URL without user information or fragment");

/** A moment, ISO 8601 in UTC. */
export const moment = z.iso.datetime();

/** The name of an issuer, provider or vault. */
export const thingName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/, "must be 1 to 128 of A-Z a-z 0-9 _ . - and begin with a letter or digit");

/** A user id that an agent asserts: at most 512 bytes, compared byte for byte. */
export const userId = text(512).refine((value) => new TextEncoder().encode(value).length <= 512, "must be at most 512 bytes");

/** A JWT or other bearer token as text. */
export const tokenText = text(16_384);

/** One OAuth scope token (RFC 6749 3.3). */
export const scope = z.string().regex(/^[\x21\x23-\x5B\x5D-\x7E]{1,256}$/, "must be an OAuth scope token (RFC 6749 3.3)");
/** What is asked of a provider: scope tokens in any order. */
export const scopes = z.array(scope).max(100);

/** How a list is asked for: `limit` items from `cursor` on. */
export const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(500).default(50).describe("How many items at most."),
  cursor: text(1024).optional().describe("`nextCursor` of the page before."),
});

/** A page of a list. `nextCursor` is absent on the last page. */
export const pageOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), nextCursor: z.string().optional() });
