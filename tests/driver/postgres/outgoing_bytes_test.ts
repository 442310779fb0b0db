import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { OutgoingBytes } from "../../../src/driver/postgres/outgoing_bytes.ts";
import { test } from "../../support/harness.ts";

function bytes(length: number, value: number): Uint8Array {
  return new Uint8Array(length).fill(value);
}

test("OutgoingBytes.take() gives bytes away that nobody writes to any more", () => {
  const outgoing = new OutgoingBytes();
  const taken: { readonly bytes: Uint8Array; readonly expected: number[] }[] = [];
  for (let time = 0; time < 400; time++) {
    const expected: number[] = [];
    for (let piece = 0; piece <= time % 4; piece++) {
      // Of all lengths, up to such as need a place of their own.
      const more = bytes(
        (time * 37 + piece * 11) % 700 * (time % 50 === 49 ? 20 : 1),
        time + piece,
      );
      if ((time + piece) % 3 === 0) outgoing.appendShared(more);
      else outgoing.append(more);
      expected.push(...more);
      assertEquals(outgoing.length, expected.length);
    }
    taken.push({ bytes: outgoing.take(), expected });
    assertEquals(outgoing.length, 0);
  }
  for (const { bytes, expected } of taken) assertEquals([...bytes], expected);
});

test("OutgoingBytes.appendShared() copies nothing that leaves alone", () => {
  const outgoing = new OutgoingBytes();
  const whole = bytes(40, 7);
  outgoing.appendShared(whole);
  assertStrictEquals(outgoing.take(), whole);
  outgoing.append(bytes(2, 1));
  outgoing.appendShared(whole);
  outgoing.clear();
  assertEquals(outgoing.length, 0);
  outgoing.appendShared(whole);
  outgoing.appendInteger(-2);
  outgoing.setInteger(0, 258);
  assertEquals([...outgoing.take()], [0, 0, 1, 2, ...bytes(36, 7), 255, 255, 255, 254]);
  assertEquals([...whole], [...bytes(40, 7)]);
});

test("OutgoingBytes.take() keeps no large place for small pieces that may never come", () => {
  const outgoing = new OutgoingBytes();
  outgoing.append(bytes(1_000_000, 1));
  const large = outgoing.take();
  outgoing.append(bytes(10, 2));
  const small = outgoing.take();
  assert(small.buffer !== large.buffer);
  assert(small.buffer.byteLength < 10_000);
});
