/**
 * Promises that nobody handles, where the platform tells of them.
 *
 * @module
 */

interface RejectionEvent {
  readonly reason: unknown;
  preventDefault(): void;
}

type Listener = (event: RejectionEvent) => void;

/** The part of the web platform that is used here; Node has it not, and ends the process by itself. */
interface RejectionTarget {
  addEventListener?(type: "unhandledrejection", listener: Listener): void;
  removeEventListener?(type: "unhandledrejection", listener: Listener): void;
}

/** Collects unhandled rejections from its construction on. */
export class UnhandledRejections {
  /** The reasons, in order. */
  readonly seen: unknown[] = [];
  readonly #listener: Listener = (event) => {
    event.preventDefault();
    this.seen.push(event.reason);
  };

  constructor() {
    (globalThis as RejectionTarget).addEventListener?.("unhandledrejection", this.#listener);
  }

  /** Stops collecting. */
  stop(): void {
    (globalThis as RejectionTarget).removeEventListener?.("unhandledrejection", this.#listener);
  }
}
