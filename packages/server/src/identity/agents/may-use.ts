import type { Agent } from "./agent.ts";

/** What of an agent decides whether it may use a thing. */
export type MayUseSubject = Pick<Agent, "id" | "labels" | "origin">;

/**
 * Whether an agent may use a thing that lists who may: agents by id, `label:key` or `label:key=value`, or `*`. `*` means every agent that an
 * operator made; one that registered itself must be named, or carry a label that an operator gave it.
 */
export const mayUse = (entries: readonly string[], agent: MayUseSubject): boolean =>
  entries.some((entry) => {
    if (entry === "*") return agent.origin === "operator";
    if (!entry.startsWith("label:")) return entry === agent.id;
    const [key = "", ...value] = entry.slice("label:".length).split("=");
    if (!Object.hasOwn(agent.labels, key)) return false;
    return value.length === 0 || agent.labels[key] === value.join("=");
  });

/** Whether an entry names one agent. */
export const namesAgent = (entry: string): boolean => entry !== "*" && !entry.startsWith("label:");
