import { z } from "zod";
import { Refusal } from "../../ground/kernel/index.ts";
import { parseJson } from "../http/index.ts";

/** Text, as the form carries it. */
export const text = (longest: number) => z.string().min(1, "is empty").max(longest, `has more than ${longest} characters`);
export const textOrEmpty = (longest: number) => z.string().max(longest, `has more than ${longest} characters`);

/** Python writes `True`, JSON `true`: the case says nothing (wire: conventions). */
export const flag = z
  .string()
  .regex(/^(true|false)$/i, "is neither true nor false")
  .transform((word) => word.toLowerCase() === "true");

/** A whole number in decimal digits. */
export const whole = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, "is no whole number")
    .transform(Number)
    .refine((number) => number >= least && number <= most, `is not between ${least} and ${most}`);

/** Why a text is no JSON that this server reads, as far as may be told. */
const faultOf = (error: unknown): string => {
  const [issue] = error instanceof Refusal ? (error.details["issues"] as readonly { readonly message: string }[]) : [];
  return issue?.message ?? "is not JSON";
};

/** A list, map or object: one field whose value is JSON text, read as strictly as a body of JSON. */
export const json = <T extends z.ZodType>(shape: T) =>
  z
    .string()
    .min(1, "is empty")
    .transform((value, context): unknown => {
      try {
        return parseJson(Buffer.from(value, "utf8"));
      } catch (error) {
        context.addIssue({ code: "custom", message: faultOf(error) });
        return z.NEVER;
      }
    })
    .pipe(shape);

/** Of every paged list. */
export const paging = { MaxResults: whole(1, 1000).optional(), NextToken: text(1024).optional() };
