/**
 * Finds the boundaries of protocol messages in a byte stream that is cut anywhere, without copying payloads.
 *
 * @module
 */

/** Receives what a {@linkcode MessageScanner} finds. */
export interface MessageSink {
  /**
   * Says whether the body of such messages is wanted; only those are ever copied, and only when cut.
   *
   * @param type First byte of the message.
   * @returns Whether {@linkcode MessageSink.message} needs the body.
   */
  wants(type: number): boolean;
  /**
   * A message is complete.
   *
   * @param type First byte of the message; 0 for the one at the start, which has none.
   * @param bytes Memory that holds the body, if it was wanted.
   * @param start Where the body starts.
   * @param length Length of the body.
   */
  message(type: number, bytes: Uint8Array, start: number, length: number): void;
}

const NOTHING = new Uint8Array(0);

/** Scans one direction of one connection. */
export class MessageScanner {
  readonly #sink: MessageSink;
  /** Bytes of a header that was cut, and how many of them there are. */
  readonly #header = new Uint8Array(5);
  #headerFilled = 0;
  /** The first message of a client has no type byte. */
  #typed: boolean;
  /** The message whose body is not complete. */
  #type = 0;
  #missing = 0;
  #body = NOTHING;
  #bodyFilled = 0;
  /** Where, in the bytes being scanned, the message ends that the sink is told of. */
  messageEnd = 0;

  /**
   * @param sink Receives the messages.
   * @param options `untypedStart`: whether the first message has no type byte (client to server).
   */
  constructor(sink: MessageSink, options: { untypedStart: boolean }) {
    this.#sink = sink;
    this.#typed = !options.untypedStart;
  }

  /** Whether a message has begun and not ended. */
  get isAmid(): boolean {
    return this.#missing > 0 || this.#headerFilled > 0;
  }

  /**
   * Scans the next bytes.
   *
   * @param bytes As they came.
   */
  scan(bytes: Uint8Array): void {
    const end = bytes.length;
    let at = 0;
    while (at < end) {
      if (this.#missing > 0) {
        at = this.#fillBody(bytes, at);
        continue;
      }
      const headerLength = this.#typed ? 5 : 4;
      if (this.#headerFilled > 0 || end - at < headerLength) {
        at = this.#fillHeader(bytes, at, headerLength);
        continue;
      }
      at = this.#begin(bytes, at, bytes, at + headerLength);
    }
  }

  /** Starts a message whose header stands at `at`; its body goes on in `bytes` at `bodyAt`. */
  #begin(header: Uint8Array, at: number, bytes: Uint8Array, bodyAt: number): number {
    const lengthAt = this.#typed ? at + 1 : at;
    const type = this.#typed ? byteAt(header, at) : 0;
    this.#typed = true;
    const length = (byteAt(header, lengthAt) << 24 | byteAt(header, lengthAt + 1) << 16 |
      byteAt(header, lengthAt + 2) << 8 | byteAt(header, lengthAt + 3)) - 4;
    if (bytes.length - bodyAt >= length) {
      this.messageEnd = bodyAt + length;
      this.#sink.message(type, bytes, bodyAt, length);
      return bodyAt + length;
    }
    this.#type = type;
    this.#missing = length;
    this.#bodyFilled = 0;
    this.#body = this.#sink.wants(type) ? new Uint8Array(length) : NOTHING;
    return bodyAt;
  }

  #fillHeader(bytes: Uint8Array, from: number, headerLength: number): number {
    let at = from;
    while (this.#headerFilled < headerLength && at < bytes.length) {
      this.#header[this.#headerFilled++] = byteAt(bytes, at++);
    }
    if (this.#headerFilled < headerLength) return at;
    this.#headerFilled = 0;
    return this.#begin(this.#header, 0, bytes, at);
  }

  #fillBody(bytes: Uint8Array, from: number): number {
    const count = Math.min(this.#missing, bytes.length - from);
    if (this.#body.length > 0) {
      this.#body.set(bytes.subarray(from, from + count), this.#bodyFilled);
      this.#bodyFilled += count;
    }
    this.#missing -= count;
    if (this.#missing === 0) {
      const body = this.#body;
      this.#body = NOTHING;
      this.messageEnd = from + count;
      this.#sink.message(this.#type, body, 0, body.length);
    }
    return from + count;
  }
}

/** Reads a byte that is known to be there. */
function byteAt(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0;
}
