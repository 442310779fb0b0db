/**
 * porsager's result, made in a way that costs less: there five properties are defined on each, which takes as long as all
 * that is done with a row.
 *
 * @module
 */

/** Rows, and what is known of them; the same to see as porsager's. */
export class Result extends Array<unknown> {
  #count: number | null = null;
  #state: unknown = null;
  #command: string | null = null;
  #columns: unknown = null;
  #statement: unknown = null;

  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }

  /** How many rows the server says it has selected or changed. */
  get count(): number | null {
    return this.#count;
  }
  set count(count: number | null) {
    this.#count = count;
  }

  /** Process id and secret of the session. */
  get state(): unknown {
    return this.#state;
  }
  set state(state: unknown) {
    this.#state = state;
  }

  /** What was executed, such as `SELECT`. */
  get command(): string | null {
    return this.#command;
  }
  set command(command: string | null) {
    this.#command = command;
  }

  /** Columns of the rows. */
  get columns(): unknown {
    return this.#columns;
  }
  set columns(columns: unknown) {
    this.#columns = columns;
  }

  /** What was prepared. */
  get statement(): unknown {
    return this.#statement;
  }
  set statement(statement: unknown) {
    this.#statement = statement;
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
