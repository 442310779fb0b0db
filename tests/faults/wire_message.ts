/**
 * PostgreSQL's messages as a proxy sees them: their framing, and which is which.
 *
 * @module
 */

import { Buffer } from "node:buffer";

/** One of the two ends of a connection. */
export type Side = "client" | "server";

/** One message that came to the proxy. */
export interface WireMessage {
  /** Number of the connection, from 1, in the order they were opened. */
  readonly connection: number;
  /** Who sent it. */
  readonly from: Side;
  /**
   * Its type byte. What a client says first has none and is called by its meaning: `"startup"`, `"ssl"`, `"cancel"`;
   * so is the server's one byte in answer to `"ssl"`.
   */
  readonly type: string;
  /** What follows the length. */
  readonly body: Buffer;
}

/** Chooses messages. */
export type MessageFilter = (message: WireMessage) => boolean;

/**
 * Finds the statement in a client's Query or Parse.
 *
 * @param message Any message.
 * @returns The statement, as far as the message is one. A statement that was prepared before comes without its text.
 */
export function statementOf({ from, type, body }: WireMessage): string | undefined {
  if (from !== "client") return undefined;
  const texts = body.toString().split("\0");
  if (type === "Q") return texts[0];
  return type === "P" ? texts[1] : undefined;
}

/**
 * Chooses a client's statement.
 *
 * @param text Part of it.
 * @returns The filter.
 */
export function stating(text: string): MessageFilter {
  return (message) => statementOf(message)?.includes(text) ?? false;
}

/** Whether it is a client's COMMIT. */
export function isCommit(message: WireMessage): boolean {
  return statementOf(message)?.toLowerCase() === "commit";
}

/** Whether it is the server's CommandComplete for COMMIT: from then on it is in force. */
export function isCommitted({ from, type, body }: WireMessage): boolean {
  return from === "server" && type === "C" && body.toString() === "COMMIT\0";
}

/**
 * Chooses the server's CommandComplete of some command.
 *
 * @param tag How it begins: `"INSERT"`, say.
 * @returns The filter.
 */
export function completing(tag: string): MessageFilter {
  return ({ from, type, body }) =>
    from === "server" && type === "C" && body.toString().startsWith(tag);
}

/**
 * Chooses messages by sender and type.
 *
 * @param from Who sent it.
 * @param type Its type byte: `"Z"` of the server's is ReadyForQuery, `"D"` a row.
 * @returns The filter.
 */
export function ofType(from: Side, type: string): MessageFilter {
  return (message) => message.from === from && message.type === type;
}

/**
 * Chooses the k-th of those that another filter chooses.
 *
 * @param k Which, from 1.
 * @param filter The other filter; asked once for each message.
 * @returns The filter.
 */
export function nth(k: number, filter: MessageFilter): MessageFilter {
  let count = 0;
  return (message) => filter(message) && ++count === k;
}

/**
 * Chooses what comes after a message on the same connection.
 *
 * @param first The message before.
 * @param filter What is chosen from then on.
 * @returns The filter.
 */
export function after(first: MessageFilter, filter: MessageFilter): MessageFilter {
  const begun = new Set<number>();
  return (message) => {
    if (begun.has(message.connection)) return filter(message);
    if (first(message)) begun.add(message.connection);
    return false;
  };
}

/**
 * Writes down an error of the server's that ends the session.
 *
 * @param code SQLSTATE.
 * @param text What it says.
 * @returns The ErrorResponse, severity FATAL.
 */
export function fatalError(code: string, text: string): Buffer {
  const fields = ["SFATAL", "VFATAL", `C${code}`, `M${text}`, ""].map((field) => `${field}\0`);
  const body = Buffer.from(fields.join(""));
  const header = Buffer.alloc(5);
  header.write("E");
  header.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([header, body]);
}

/** First messages of a client, by the number in them. */
const FIRST_MESSAGES: Readonly<Record<number, string>> = {
  80877103: "ssl",
  80877102: "cancel",
  196608: "startup",
};

/** Takes the bytes of one direction apart. */
export class MessageReader {
  /** How messages are told apart now: by their first ones, by type and length, or (within TLS) not at all. */
  mode: "first" | "ssl answer" | "typed" | "opaque";
  #rest: Buffer = Buffer.alloc(0);

  /** @param from Who sends them. */
  constructor(from: Side) {
    this.mode = from === "client" ? "first" : "typed";
  }

  /**
   * Takes bytes in.
   *
   * @param chunk The bytes.
   */
  push(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
  }

  /**
   * Takes the next message out.
   *
   * @returns It, or `undefined` as long as it is not complete.
   */
  next(): { readonly type: string; readonly body: Buffer; readonly bytes: Buffer } | undefined {
    if (this.#rest.length === 0) return undefined;
    if (this.mode === "opaque") {
      const bytes = this.#take(this.#rest.length);
      return { type: "", body: bytes, bytes };
    }
    if (this.mode === "ssl answer") {
      const bytes = this.#take(1);
      this.mode = bytes.toString() === "S" ? "opaque" : "typed";
      return { type: "ssl", body: bytes, bytes };
    }
    const header = this.mode === "typed" ? 5 : 4;
    if (this.#rest.length < header) return undefined;
    const end = this.#rest.readInt32BE(header - 4) + header - 4;
    if (this.#rest.length < end) return undefined;
    const bytes = this.#take(end);
    const body = bytes.subarray(header);
    if (this.mode === "typed") return { type: bytes.toString("latin1", 0, 1), body, bytes };
    const type = FIRST_MESSAGES[body.readInt32BE(0)] ?? "unknown";
    // A client that was told that there is no TLS begins anew.
    if (type !== "ssl") this.mode = "typed";
    return { type, body, bytes };
  }

  #take(count: number): Buffer {
    const bytes = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    return bytes;
  }
}
