/** Owns the people and scripts that run Legate, and their keys. */
export type { Operator } from "./operator.ts";
export { makeOperators, type NewOperator, type OperatorChange, type Operators } from "./operators.ts";
