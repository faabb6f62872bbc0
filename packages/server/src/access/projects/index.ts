/** Owns projects: the variables and integrations that a team's agents read, in lanes. */
export {};
