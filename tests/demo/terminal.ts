/**
 * The standard output: lines that stay, and on a terminal one below them that is overwritten.
 *
 * @module
 */

import { writeSync } from "node:fs";
import process from "node:process";

const STANDARD_OUTPUT = 1;

/** The standard output. */
export class Terminal {
  /** Whether somebody looks at it while it is written. */
  readonly interactive: boolean = process.stdout.isTTY === true && process.env.TERM !== "dumb";
  #status = "";
  #closed = false;

  /**
   * Writes a line that stays.
   *
   * @param text The line, or several.
   */
  line(text: string): void {
    this.#write(this.#wipe() + text + "\n" + this.#status);
  }

  /**
   * Writes the line that is overwritten; it stays where there is no terminal.
   *
   * @param text The line; empty to take it away.
   */
  status(text: string): void {
    if (!this.interactive) {
      if (text !== "") this.line(text);
      return;
    }
    const wipe = this.#wipe();
    // One that is wrapped would not be overwritten.
    this.#status = text.slice(0, (process.stdout.columns ?? 80) - 1);
    this.#write(wipe + this.#status);
  }

  #wipe(): string {
    return this.#status === "" ? "" : "\r\x1b[K";
  }

  #write(text: string): void {
    let bytes = new TextEncoder().encode(text);
    while (bytes.length > 0 && !this.#closed) {
      try {
        bytes = bytes.subarray(writeSync(STANDARD_OUTPUT, bytes));
      } catch (error) {
        const { code } = error as { code?: string };
        // A pipe that is full; its reader will make room.
        if (code === "EAGAIN") continue;
        // Nobody reads on (such as `head`): what is to be done is to be done all the same.
        if (code !== "EPIPE") throw error;
        this.#closed = true;
      }
    }
  }
}
