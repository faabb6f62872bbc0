import type { Dialect, Driver } from "kysely";
import { makeTurns } from "../kernel/index.ts";

/** Lets the reads that one turn of the event loop asks for begin together, at its end. */
export const readingInTurns = (dialect: Dialect): Dialect => {
  const endOfTurn = makeTurns();
  return {
    createDriver: (): Driver => {
      const driver = dialect.createDriver();
      const acquire = driver.acquireConnection.bind(driver);
      driver.acquireConnection = async () => {
        await endOfTurn();
        return acquire();
      };
      return driver;
    },
    createAdapter: () => dialect.createAdapter(),
    createQueryCompiler: () => dialect.createQueryCompiler(),
    createIntrospector: (db) => dialect.createIntrospector(db),
  };
};
