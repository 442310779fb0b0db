/**
 * Lets the process exit although a connection is open, if nothing waits on that.
 *
 * @module
 */

import type { Socket } from "../../core/runtime.ts";
import type { IdleReferences, Referenced } from "./idle_references.ts";

/** The hold that one connection's socket has on the process. */
export class ProcessHold implements Referenced {
  readonly #socket: Socket;
  readonly #references: IdleReferences;
  readonly #isAwaited: () => boolean;
  #unreferenced = false;
  #watched = false;
  #gone = false;

  /**
   * @param socket Holds the process.
   * @param references Looks after idle connections a moment later.
   * @param isAwaited Tells whether somebody waits on the connection.
   */
  constructor(socket: Socket, references: IdleReferences, isAwaited: () => boolean) {
    this.#socket = socket;
    this.#references = references;
    this.#isAwaited = isAwaited;
  }

  /** Somebody waits on the connection from now on. */
  take(): void {
    if (!this.#unreferenced) return;
    this.#unreferenced = false;
    this.#socket.ref();
  }

  /** Nobody waits on it any more, as far as statements go. */
  loosen(): void {
    if (this.#watched || this.#unreferenced || this.#gone) return;
    this.#watched = true;
    this.#references.watch(this);
  }

  /** Lets go, unless somebody waits on the connection by now. */
  unrefIfIdle(): void {
    this.#watched = false;
    if (this.#isAwaited()) return;
    this.#unreferenced = true;
    this.#socket.unref();
  }

  /** The connection is gone, and with it its socket. */
  end(): void {
    this.#gone = true;
    this.#references.forget(this);
  }
}
