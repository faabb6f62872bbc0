/** Environment variables by name. */
export type Variables = Record<string, string | undefined>;

/** The process's own variables: the one place of this subpath that touches them. Read when it is called, never at import. */
export const processVariables = (): Variables => process.env;
