/** The two column types that the stores spell differently. */
export interface Columns {
  /** Compared byte for byte on both stores. */
  readonly text: string;
  /** 64 bits wide on both stores. */
  readonly integer: string;
}
