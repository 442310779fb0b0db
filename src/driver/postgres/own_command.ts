/**
 * A command of the driver's own, such as BEGIN and COMMIT, that porsager never hears of: what it makes of a query and its
 * result takes as long as the server needs for one.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { describeCommandError, type PorsagerQuery, postgresError } from "./porsager.ts";

const COMMAND_COMPLETE = 0x43; // C
const ERROR_RESPONSE = 0x45; // E
const READY_FOR_QUERY = 0x5a; // Z
/** What the server may say at any time, and not about what it executes: NoticeResponse, NotificationResponse, ParameterStatus. */
const ASIDES: ReadonlySet<number | undefined> = new Set([0x4e, 0x41, 0x53]);
/** Type and length of a message. */
const HEADER = 5;

const NONE: readonly Uint8Array[] = [];
const SIMPLE = { simple: true } as const;

/** Result of a command. */
export interface CommandResult {
  /** The server's command tag, such as `COMMIT` or `ROLLBACK`. */
  readonly command: string | null;
}

/** The bytes of commands that are sent over and over. */
const bytesOf = new Map<string, Uint8Array>();
/** Those of a savepoint have a number each, but few have a large one; long ones are nobody's routine. */
const MOST_KEPT = 256;
const LONGEST_KEPT = 64;

/** One command by the simple protocol. Rows, if it has any, are of no interest. */
export class OwnCommand {
  /** Settled when the server has answered. */
  readonly done: Promise<CommandResult>;
  /** The text. */
  readonly string: string;
  /** As of a query. */
  readonly options = SIMPLE;
  /** Rejects the promise; a statement puts its own in the place. */
  reject: (error: unknown) => void;
  readonly #resolve: (result: CommandResult) => void;
  #tag: string | null = null;
  #error: Error | undefined;
  #over = false;
  /** The beginning of a message whose end is yet to come. */
  #rest: Uint8Array | undefined;

  /** @param text One command or several. */
  constructor(text: string) {
    const { promise, resolve, reject } = Promise.withResolvers<CommandResult>();
    this.string = text;
    this.done = promise;
    this.#resolve = resolve;
    this.reject = reject;
  }

  /** What a statement is made of: it looks at some parts of a query, none of which this has, and settles it. */
  get asQuery(): PorsagerQuery {
    return this as unknown as PorsagerQuery;
  }

  /** Whether the server has said the last of it. */
  get isOver(): boolean {
    return this.#over;
  }

  /** The message that executes it. */
  get bytes(): Uint8Array {
    const { string } = this;
    const kept = bytesOf.get(string);
    if (kept !== undefined) return kept;
    const length = Buffer.byteLength(string);
    const bytes = Buffer.alloc(1 + 4 + length + 1);
    bytes.write("Q", 0, "latin1");
    bytes.writeInt32BE(4 + length + 1, 1);
    bytes.write(string, HEADER);
    if (length <= LONGEST_KEPT && bytesOf.size < MOST_KEPT) bytesOf.set(string, bytes);
    return bytes;
  }

  /**
   * Takes its answer out of what came.
   *
   * @param bytes As they came.
   * @returns What is not about it, whole messages each.
   */
  receive(bytes: Uint8Array): readonly Uint8Array[] {
    const all = this.#rest === undefined ? bytes : Buffer.concat([this.#rest, bytes]);
    const view = new DataView(all.buffer, all.byteOffset, all.byteLength);
    let others = NONE;
    let at = 0;
    while (!this.#over && at + HEADER <= all.length) {
      const end = at + 1 + view.getInt32(at + 1);
      if (end > all.length) break;
      const type = all[at];
      if (type === COMMAND_COMPLETE) this.#tag = tagOf(all, at + HEADER, end - 1);
      else if (type === ERROR_RESPONSE) {
        const error = postgresError(all.subarray(at + HEADER, end));
        this.#error = describeCommandError(error, this.string);
      } else if (type === READY_FOR_QUERY) this.#over = true;
      else if (ASIDES.has(type)) others = [...others, all.subarray(at, end)];
      at = end;
    }
    this.#rest = undefined;
    if (at === all.length) return others;
    const rest = all.subarray(at);
    if (this.#over) return [...others, rest];
    this.#rest = rest.slice();
    return others;
  }

  /** The server has said the last of it: settles the promise. */
  settle(): void {
    if (this.#error !== undefined) this.reject(this.#error);
    else this.#resolve({ command: this.#tag });
  }
}

/** The first word of a tag, as porsager gives it: all that stands before a number. */
function tagOf(bytes: Uint8Array, start: number, end: number): string {
  const tag = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
  return tag.replace(/( \d+)+$/, "");
}
