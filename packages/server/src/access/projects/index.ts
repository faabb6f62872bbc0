/** Owns projects: the variables and integrations that a team's agents read, in lanes. */
export type { IntegrationSource } from "./integrations.ts";
export { type Integration, type Project, type Variable, credentialIdentity, valueIdentity } from "./project.ts";
export { makeProjects, type ProjectFields, type Projects } from "./projects.ts";
export type { ReadAsk, ReadVariables } from "./reading.ts";
export { projectSealedColumns } from "./sealed-columns.ts";
export type { Imported } from "./variables.ts";
