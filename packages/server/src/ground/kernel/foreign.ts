/** What only foreign wires say of a thing, by wire: each returns its own word for word, and nobody else reads it. */
export type Foreign = Readonly<Record<string, Readonly<Record<string, unknown>>>>;
