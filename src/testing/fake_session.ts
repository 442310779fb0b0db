/**
 * The server's side of one fake connection: transaction, settings, and the language of its statements.
 *
 * @module
 */

import type { Command, ResetLevel } from "../core/driver.ts";
import { FakeError } from "./fake_error.ts";

/** Where a session's transaction stands. */
export type TransactionStatus = "idle" | "in transaction" | "failed";

/** What a statement came to: an answer; a statement that goes on for a time; or the end of the session. */
export type Execution =
  | { readonly kind: "answer"; readonly value: string }
  | { readonly kind: "long"; readonly durationMs: number }
  | { readonly kind: "die" };

interface Savepoint {
  readonly name: string;
  /** How much was written before it. */
  readonly written: number;
}

const DONE: Execution = { kind: "answer", value: "" };

/**
 * The server's side of one connection. What is written in a transaction is in force when it commits, and gone when it
 * does not.
 */
export class FakeSession {
  readonly #applied: string[];
  readonly #settings = new Map<string, string>();
  readonly #prepared = new Set<string>();
  #status: TransactionStatus = "idle";
  readonly #isReader: boolean;
  #readOnly: boolean;
  #written: string[] = [];
  #savepoints: Savepoint[] = [];

  /**
   * @param applied The server's durable writes, in order; shared by its sessions.
   * @param readOnly Whether all its transactions are read-only.
   */
  constructor(applied: string[], readOnly = false) {
    this.#applied = applied;
    this.#isReader = this.#readOnly = readOnly;
  }

  /** Where the transaction stands. */
  get status(): TransactionStatus {
    return this.#status;
  }

  /** Names of the prepared statements. */
  get prepared(): ReadonlySet<string> {
    return this.#prepared;
  }

  /**
   * Executes a statement of the language that `FakeConnection.run` describes.
   *
   * @param text The statement.
   * @returns What it came to.
   * @throws {FakeError} If the session refuses it; an open transaction has failed then.
   */
  execute(text: string): Execution {
    const [, word = "", rest = ""] = /^\s*(\S*)\s*(.*?)\s*$/s.exec(text) ?? [];
    const verb = rest.startsWith("to ") && word === "rollback" ? "rollback to savepoint" : word;
    if (this.#status === "failed" && !ENDS_FAILURE.has(verb)) {
      throw this.#refuse("the transaction has failed: statements are ignored until it ends");
    }
    switch (verb) {
      case "select":
        return { kind: "answer", value: rest };
      case "count":
        return { kind: "answer", value: String(this.#applied.length + this.#written.length) };
      case "show":
        return { kind: "answer", value: this.#settings.get(rest) ?? "" };
      case "set":
        return this.#set(rest);
      case "prepare":
        this.#prepared.add(rest);
        return DONE;
      case "write":
        return this.#write(rest);
      case "begin":
        return this.#begin(rest === "read only");
      case "commit":
        return this.#end(this.#status === "in transaction");
      case "rollback":
        return this.#end(false);
      case "savepoint":
        return this.#savepoint(rest);
      case "release":
        return this.#releaseSavepoint(rest);
      case "rollback to savepoint":
        return this.#rollbackTo(rest.slice("to ".length));
      case "sleep":
        return { kind: "long", durationMs: rest === "" ? Infinity : Number(rest) };
      case "die":
        return { kind: "die" };
      case "fail":
        throw this.#refuse(rest === "" ? "the statement failed" : rest);
      default:
        throw this.#refuse(`there is no statement ${JSON.stringify(word)}`);
    }
  }

  /**
   * Executes what a pool asks for.
   *
   * @param command The command.
   * @returns What it came to.
   * @throws {FakeError} If the session refuses it.
   */
  command(command: Command): Execution {
    switch (command.verb) {
      case "begin":
        return this.#begin(command.readOnly === true);
      case "commit":
        return this.#end(this.#status === "in transaction");
      case "rollback":
        return this.#end(false);
      case "savepoint":
        return this.#unlessFailed(() => this.#savepoint(command.name));
      case "release savepoint":
        return this.#unlessFailed(() => this.#releaseSavepoint(command.name));
      case "rollback to savepoint":
        return this.#rollbackTo(command.name);
      case "session":
        return this.execute(command.text);
    }
  }

  /**
   * Cleans the session.
   *
   * @param level How much: `"session"` keeps prepared statements, `"discard"` nothing.
   * @returns What it came to.
   */
  reset(level: ResetLevel): Execution {
    if (level === "none") return DONE;
    this.#end(false);
    if (level !== "rollback") this.#settings.clear();
    if (level === "discard") this.#prepared.clear();
    return DONE;
  }

  /**
   * Refuses what is being executed.
   *
   * @param message Why.
   * @returns The error; an open transaction has failed now.
   */
  cancel(message: string): FakeError {
    return this.#refuse(message);
  }

  /** The session ends: what was not committed is gone. */
  end(): void {
    this.#end(false);
  }

  #refuse(message: string): FakeError {
    if (this.#status === "in transaction") this.#status = "failed";
    return new FakeError("statement", message);
  }

  #unlessFailed(run: () => Execution): Execution {
    if (this.#status === "failed") throw this.#refuse("the transaction has failed");
    return run();
  }

  #set(rest: string): Execution {
    const [, name = "", value = ""] = /^(\S*)\s*(.*)$/s.exec(rest) ?? [];
    this.#settings.set(name, value);
    return DONE;
  }

  #write(value: string): Execution {
    if (this.#readOnly) throw this.#refuse("cannot write in a read-only transaction");
    (this.#status === "idle" ? this.#applied : this.#written).push(value);
    return DONE;
  }

  #begin(readOnly: boolean): Execution {
    if (this.#status !== "idle") throw this.#refuse("there is already a transaction");
    this.#status = "in transaction";
    this.#readOnly = readOnly || this.#isReader;
    return DONE;
  }

  #end(commit: boolean): Execution {
    if (commit) this.#applied.push(...this.#written);
    this.#status = "idle";
    this.#readOnly = this.#isReader;
    this.#written = [];
    this.#savepoints = [];
    return DONE;
  }

  #savepoint(name: string): Execution {
    if (this.#status === "idle") throw this.#refuse("there is no transaction");
    this.#savepoints.push({ name, written: this.#written.length });
    return DONE;
  }

  #releaseSavepoint(name: string): Execution {
    this.#savepoints.length = this.#find(name);
    return DONE;
  }

  #rollbackTo(name: string): Execution {
    const index = this.#find(name);
    // The savepoint itself stays; those set after it are gone.
    this.#savepoints.length = index + 1;
    this.#written.length = this.#savepoints[index]?.written ?? 0;
    this.#status = "in transaction";
    return DONE;
  }

  #find(name: string): number {
    const index = this.#savepoints.findLastIndex((savepoint) => savepoint.name === name);
    if (index < 0) throw this.#refuse(`there is no savepoint ${JSON.stringify(name)}`);
    return index;
  }
}

/** All that a failed transaction still executes. */
const ENDS_FAILURE: ReadonlySet<string> = new Set(["commit", "rollback", "rollback to savepoint"]);
