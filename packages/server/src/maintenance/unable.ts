/** What keeps a program of this folder from its work and what a person can mend: said plainly, without a stack. */
export class Unable extends Error {
  /** For the shell: 1 it failed, 2 it was asked for wrongly. */
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}
