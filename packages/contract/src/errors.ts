import { z } from "zod";
import { type Code, codes } from "./codes.ts";

/** How every refusal of the native wire reads. */
export const errorAnswer = z.object({
  error: z.object({
    code: z.enum(Object.keys(codes) as [Code, ...Code[]]),
    message: z.string(),
    requestId: z.string(),
    details: z.record(z.string(), z.unknown()).optional(),
  }),
});
