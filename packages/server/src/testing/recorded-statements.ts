import Database from "libsql";

/** Every statement that SQLite is given from now on in this process, each once; `stop` lets it be. */
export const recordStatements = () => {
  const seen = new Set<string>();
  const prototype = Database.prototype as { prepare: (this: unknown, sql: string) => unknown };
  const { prepare } = prototype;
  prototype.prepare = function (this: unknown, sql: string) {
    seen.add(sql);
    return prepare.call(this, sql);
  };
  return {
    seen: (): readonly string[] => [...seen],
    stop: (): void => {
      prototype.prepare = prepare;
    },
  };
};
