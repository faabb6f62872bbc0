/** The column types that the stores spell differently. */
export interface Columns {
  /** Compared byte for byte on both stores. */
  readonly text: string;
  /** 64 bits wide on both stores. */
  readonly integer: string;
  /** A primary key that counts up by itself and never gives a number twice. */
  readonly counter: string;
}
