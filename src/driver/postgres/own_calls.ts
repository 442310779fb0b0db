/**
 * What the driver itself executes on a connection: commands, and questions that the user's options have no part in.
 *
 * @module
 */

import { SteadyError } from "../../core/errors.ts";
import { type CommandDeadline, startDeadline } from "./command_deadline.ts";
import { IDENTITY_TEXT, type ServerIdentity } from "./commit_watch.ts";
import { textQuery } from "./light_query.ts";
import { type CommandResult, OwnCommand } from "./own_command.ts";
import type { Template } from "./porsager.ts";
import { Statement, type StatementListener } from "./statement.ts";

/** What ends a call of the driver's own early. */
export interface OwnCallOptions {
  /** Ends it; the rejection is its own reason. */
  readonly signal?: AbortSignal | undefined;
  /** Until when it is to be over. */
  readonly deadline?: CommandDeadline | undefined;
}

/** Executes statements. */
export interface OwnCallTarget {
  /** Whether its connection is gone. */
  readonly lost: boolean;
  /**
   * Executes a statement, after those given before.
   *
   * @param statement Not yet sent anywhere.
   */
  send(statement: Statement): void;
  /**
   * Gives a statement up.
   *
   * @param statement Given to it before.
   * @param reason What its caller gets.
   */
  abort(statement: Statement, reason: unknown): void;
}

/** The driver's own calls on one connection. */
export class OwnCalls {
  readonly #template: Template;
  readonly #target: OwnCallTarget;
  /** Which server this is; `null` if it does not say. */
  #identity: ServerIdentity | null | undefined;

  /**
   * @param template What queries are made of.
   * @param target Executes them.
   */
  constructor(template: Template, target: OwnCallTarget) {
    this.#template = template;
    this.#target = target;
  }

  /**
   * Executes one command by the simple protocol.
   *
   * @param text The command.
   * @param options Signal, deadline, and a listener for how it ends.
   * @returns The server's command tag.
   */
  async run(
    text: string,
    options?: OwnCallOptions & { readonly listener?: StatementListener },
  ): Promise<CommandResult> {
    const command = new OwnCommand(text);
    return await this.#execute(
      new Statement(command.asQuery, options?.listener),
      command.done,
      options,
    );
  }

  /**
   * Asks the server something by the simple protocol.
   *
   * @param text One statement.
   * @param options Signal and deadline.
   * @returns The rows as the server wrote them, whatever parsers and transforms the user has.
   */
  async ask(
    text: string,
    options?: OwnCallOptions,
  ): Promise<readonly (readonly (string | null)[])[]> {
    const query = textQuery(this.#template.LightQuery, text);
    query.isRaw = true;
    const rows = await this.#execute<(Uint8Array | null)[][]>(
      new Statement(query),
      query,
      options,
    );
    const decoder = new TextDecoder();
    return rows.map((row) => row.map((value) => value && decoder.decode(value)));
  }

  /**
   * Learns which server this is, once; outside of a transaction, because where that is not permitted it fails.
   *
   * @param options Signal and deadline.
   * @returns The identity; `undefined` where the server does not say.
   */
  async identify(options?: OwnCallOptions): Promise<ServerIdentity | undefined> {
    if (this.#identity === undefined) {
      try {
        const [row] = await this.ask(IDENTITY_TEXT, options);
        const [system, timeline] = row ?? [];
        this.#identity = system && timeline ? { system, timeline } : null;
      } catch (error) {
        // That nobody answered in time says nothing of what there is to know.
        if (this.#target.lost || options?.signal?.aborted || error instanceof SteadyError) {
          throw error;
        }
        this.#identity = null;
      }
    }
    return this.#identity ?? undefined;
  }

  async #execute<R>(
    statement: Statement,
    done: PromiseLike<unknown>,
    { signal, deadline }: OwnCallOptions = {},
  ): Promise<R> {
    signal?.throwIfAborted();
    statement.isOurs = true;
    const abort = (): void => this.#target.abort(statement, signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    const stop = startDeadline(deadline, ({ error }) => {
      this.#target.abort(statement, error(statement.evidence !== "unsent"));
    });
    this.#target.send(statement);
    try {
      return await done as R;
    } finally {
      stop();
      signal?.removeEventListener("abort", abort);
    }
  }
}
