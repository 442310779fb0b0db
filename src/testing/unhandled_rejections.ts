/**
 * Promises that nobody handles, where the platform tells of them.
 *
 * @module
 */

interface RejectionEvent {
  readonly reason: unknown;
  preventDefault(): void;
}

type EventListener = (event: RejectionEvent) => void;
type ReasonListener = (reason: unknown) => void;

/** The part of the web platform that is used here. */
interface RejectionTarget {
  addEventListener?(type: "unhandledrejection", listener: EventListener): void;
  removeEventListener?(type: "unhandledrejection", listener: EventListener): void;
  /** What Node has instead, and Bun too. */
  readonly process?: RejectionProcess;
}

interface RejectionProcess {
  on?(type: "unhandledRejection", listener: ReasonListener): void;
  off?(type: "unhandledRejection", listener: ReasonListener): void;
  listeners?(type: "unhandledRejection"): ReasonListener[];
}

/** Collects unhandled rejections from its construction on. */
export class UnhandledRejections {
  /** The reasons, in order. */
  readonly seen: unknown[] = [];
  readonly #target: RejectionTarget = globalThis as unknown as RejectionTarget;
  /** Listeners that were there before, on Node: a test runner's would take what is ours to tell for its own. */
  readonly #setAside: readonly ReasonListener[];
  readonly #onEvent: EventListener = (event) => {
    event.preventDefault();
    this.seen.push(event.reason);
  };
  readonly #onReason: ReasonListener = (reason) => void this.seen.push(reason);

  constructor() {
    const { process } = this.#target;
    this.#setAside = this.#usesEvents ? [] : process?.listeners?.("unhandledRejection") ?? [];
    if (this.#usesEvents) {
      this.#target.addEventListener?.("unhandledrejection", this.#onEvent);
      return;
    }
    for (const listener of this.#setAside) process?.off?.("unhandledRejection", listener);
    process?.on?.("unhandledRejection", this.#onReason);
  }

  /** Deno tells by both ways, and by an event it can be told that the rejection was dealt with. */
  get #usesEvents(): boolean {
    return "Deno" in globalThis || this.#target.process?.on === undefined;
  }

  /** Stops collecting. */
  stop(): void {
    this.#target.removeEventListener?.("unhandledrejection", this.#onEvent);
    const { process } = this.#target;
    process?.off?.("unhandledRejection", this.#onReason);
    for (const listener of this.#setAside) process?.on?.("unhandledRejection", listener);
  }
}
