import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { MessageScanner } from "../../../src/driver/postgres/message_scanner.ts";
import { test } from "../../support/harness.ts";

interface Message {
  readonly type: number;
  readonly body: number[];
}

/** What a scanner found; the bodies of those that were not wanted are left out when cut. */
interface Found {
  readonly type: number;
  readonly length: number;
  readonly body: number[] | undefined;
}

const WANTED = 0x5a;

function bytesOf({ type, body }: Message, typed = true): number[] {
  const length = body.length + 4;
  const header = [length >>> 24, length >>> 16 & 0xff, length >>> 8 & 0xff, length & 0xff];
  return [...typed ? [type] : [], ...header, ...body];
}

function scan(chunks: readonly Uint8Array[], untypedStart: boolean): Found[] {
  const found: Found[] = [];
  const scanner = new MessageScanner({
    wants: (type) => type === WANTED,
    message(type, bytes, start, length) {
      const wanted = type === WANTED;
      if (wanted) assert(start + length <= bytes.length);
      found.push({
        type,
        // Of a message that was cut and not wanted there is nothing to measure.
        length: wanted ? length : -1,
        body: wanted ? [...bytes.subarray(start, start + length)] : undefined,
      });
    },
  }, { untypedStart });
  for (const chunk of chunks) scanner.scan(chunk);
  return found;
}

function expected(messages: readonly Message[], untypedStart: boolean): Found[] {
  return messages.map(({ type, body }, index) => {
    const seen = untypedStart && index === 0 ? 0 : type;
    return seen === WANTED
      ? { type: seen, length: body.length, body: [...body] }
      : { type: seen, length: -1, body: undefined };
  });
}

const byte = fc.integer({ min: 0, max: 255 });
const message = fc.record({
  type: fc.oneof(fc.constant(WANTED), byte),
  body: fc.oneof(fc.array(byte, { maxLength: 12 }), fc.array(byte, { maxLength: 300 })),
});

/** A byte stream of messages, and the places where it is cut. */
const stream = fc.record({
  messages: fc.array(message, { maxLength: 12 }),
  untypedStart: fc.boolean(),
  cuts: fc.array(fc.nat(4_000), { maxLength: 40 }),
});

function cut(bytes: readonly number[], cuts: readonly number[]): Uint8Array[] {
  const places = [...new Set(cuts.map((place) => place % (bytes.length + 1)))].sort((a, b) =>
    a - b
  );
  return [0, ...places].map((place, index) => Uint8Array.from(bytes.slice(place, places[index])));
}

test("MessageScanner finds the same messages however the stream is cut", () => {
  fc.assert(
    fc.property(stream, ({ messages, untypedStart, cuts }) => {
      const bytes = messages.flatMap((message, index) =>
        bytesOf(message, !(untypedStart && index === 0))
      );
      assertEquals(scan(cut(bytes, cuts), untypedStart), expected(messages, untypedStart));
    }),
    { numRuns: 2_000 },
  );
});

test("MessageScanner finds the same messages byte by byte", () => {
  fc.assert(
    fc.property(stream, ({ messages, untypedStart }) => {
      const bytes = messages.flatMap((message, index) =>
        bytesOf(message, !(untypedStart && index === 0))
      );
      const chunks = bytes.map((byte) => Uint8Array.of(byte));
      assertEquals(scan(chunks, untypedStart), expected(messages, untypedStart));
    }),
    { numRuns: 300 },
  );
});

test("MessageScanner tells a message as soon as its last byte came, and not before", () => {
  const found: number[] = [];
  const scanner = new MessageScanner(
    { wants: () => false, message: (type) => found.push(type) },
    { untypedStart: false },
  );
  const bytes = bytesOf({ type: 0x44, body: [1, 2, 3] });
  scanner.scan(Uint8Array.from(bytes.slice(0, -1)));
  assertEquals(found, []);
  scanner.scan(Uint8Array.from(bytes.slice(-1)));
  assertEquals(found, [0x44]);
  // One without a body ends with its header.
  scanner.scan(Uint8Array.of(0x49, 0, 0, 0));
  assertEquals(found, [0x44]);
  scanner.scan(Uint8Array.of(4));
  assertEquals(found, [0x44, 0x49]);
});

test("MessageScanner hands out the memory of a message that came whole, and copies none", () => {
  const memories: Uint8Array[] = [];
  const scanner = new MessageScanner({
    wants: () => true,
    message: (_type, bytes) => memories.push(bytes),
  }, { untypedStart: false });
  const whole = Uint8Array.from([1, 2].flatMap((x) => bytesOf({ type: 0x5a, body: [x] })));
  scanner.scan(whole);
  assert(memories.every((memory) => memory === whole));
  assertEquals(memories.length, 2);
});

test("MessageScanner asks for no body that it does not need", () => {
  const asked: number[] = [];
  const lengths: number[] = [];
  const scanner = new MessageScanner({
    wants: (type) => {
      asked.push(type);
      return false;
    },
    message: (_type, bytes) => lengths.push(bytes.length),
  }, { untypedStart: false });
  const bytes = bytesOf({ type: 0x44, body: Array.from({ length: 100_000 }, () => 7) });
  scanner.scan(Uint8Array.from(bytes.slice(0, 50_000)));
  scanner.scan(Uint8Array.from(bytes.slice(50_000)));
  assertEquals([asked, lengths], [[0x44], [0]]);
});
