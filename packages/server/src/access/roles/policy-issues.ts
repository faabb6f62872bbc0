/** What is wrong with a document, and where. Never a value of it. */
export interface Issue {
  readonly path: string;
  readonly message: string;
}

export interface Issues {
  readonly found: readonly Issue[];
  /** Answers nothing, for whoever goes on without what was wrong. */
  readonly add: (path: string, message: string) => readonly never[];
}

/** How many are named, and how long a name of the caller's is repeated to it. */
const most = 20;
const longestPath = 120;

export const makeIssues = (): Issues => {
  const found: Issue[] = [];
  return {
    found,
    add: (path, message) => {
      if (found.length < most) found.push({ path: path.slice(0, longestPath), message });
      return [];
    },
  };
};

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
