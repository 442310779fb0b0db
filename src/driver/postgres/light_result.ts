/**
 * porsager's result, made in a way that costs less: there five properties are defined on each, which takes as long as all
 * that is done with a row.
 *
 * @module
 */

/** What is known of the rows. */
interface About {
  count: number | null;
  state: unknown;
  command: string | null;
  columns: unknown;
  statement: unknown;
}

/** Where a result keeps what is known of it: a property, and not a private one, so that it is found through a proxy, too. */
const ABOUT = Symbol("about");

/** Rows, and what is known of them; the same to see as porsager's. */
export class Result extends Array<unknown> {
  declare readonly [ABOUT]: About;

  /**
   * Makes an empty one.
   *
   * @param statement What was prepared.
   * @param columns Columns of the rows.
   * @returns It.
   */
  static empty(statement: unknown, columns: unknown): Result {
    const value: About = { count: null, state: null, command: null, columns, statement };
    return Object.defineProperty(new Result(), ABOUT, { value });
  }

  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }

  /** How many rows the server says it has selected or changed. */
  get count(): number | null {
    return this[ABOUT].count;
  }
  set count(count: number | null) {
    this[ABOUT].count = count;
  }

  /** Process id and secret of the session. */
  get state(): unknown {
    return this[ABOUT].state;
  }
  set state(state: unknown) {
    this[ABOUT].state = state;
  }

  /** What was executed, such as `SELECT`. */
  get command(): string | null {
    return this[ABOUT].command;
  }
  set command(command: string | null) {
    this[ABOUT].command = command;
  }

  /** Columns of the rows. */
  get columns(): unknown {
    return this[ABOUT].columns;
  }
  set columns(columns: unknown) {
    this[ABOUT].columns = columns;
  }

  /** What was prepared. */
  get statement(): unknown {
    return this[ABOUT].statement;
  }
  set statement(statement: unknown) {
    this[ABOUT].statement = statement;
  }
}

/**
 * Makes {@linkcode Result} pass for porsager's class: who compares two results asks for their constructor.
 *
 * @param result One of porsager's.
 */
export function passFor(result: object): void {
  const porsagers: object = Object.getPrototypeOf(result);
  if (Object.getPrototypeOf(Result.prototype) === porsagers) return;
  Object.defineProperty(Result.prototype, "constructor", {
    configurable: true,
    writable: true,
    value: result.constructor,
  });
  Object.setPrototypeOf(Result.prototype, porsagers);
}
