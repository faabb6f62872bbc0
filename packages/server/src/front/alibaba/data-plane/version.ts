/** The data plane's. */
export const version = "2025-11-27";

/** Who may call it with a lasting key: who runs Legate, and agents for themselves. */
export const lasting = ["admin", "operator", "agent"] as const;
