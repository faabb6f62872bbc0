import type { Dialect, Driver } from "kysely";

/**
 * Lets the reads that one turn of the event loop asks for begin together, at its end. One after another they find the driver, the store and what goes
 * on with their answers in the processor's caches; each amid all that a request does otherwise, a read costs several times as much.
 */
export const readingInTurns = (dialect: Dialect): Dialect => {
  let turn: Promise<void> | undefined;
  const nextTurn = (): Promise<void> => {
    turn ??= new Promise((resolve) => {
      setImmediate(() => {
        turn = undefined;
        resolve();
      });
    });
    return turn;
  };
  return {
    createDriver: (): Driver => {
      const driver = dialect.createDriver();
      const acquire = driver.acquireConnection.bind(driver);
      driver.acquireConnection = async () => {
        await nextTurn();
        return acquire();
      };
      return driver;
    },
    createAdapter: () => dialect.createAdapter(),
    createQueryCompiler: () => dialect.createQueryCompiler(),
    createIntrospector: (db) => dialect.createIntrospector(db),
  };
};
