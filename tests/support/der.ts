/**
 * Writes DER (the bytes of ASN.1), as far as certificates need it.
 *
 * @module
 */

/** Tags of ASN.1; the constructed ones have their bit set. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Joins bytes. */
function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

function length(value: number): Uint8Array {
  if (value < 0x80) return Uint8Array.of(value);
  const bytes: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Uint8Array.of(0x80 | bytes.length, ...bytes);
}

/**
 * One element.
 *
 * @param tag Its tag.
 * @param parts Its content.
 * @returns Its bytes.
 */
export function element(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = concat(parts);
  return concat([Uint8Array.of(tag), length(content.length), content]);
}

/** A SEQUENCE. */
export function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return element(TAG.sequence, ...parts);
}

/** An element with a context-specific tag around others. */
export function explicit(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return element(0xa0 | tag, ...parts);
}

/** An element with a context-specific tag in place of its own. */
export function implicit(tag: number, content: Uint8Array): Uint8Array {
  return element(0x80 | tag, content);
}

/** A BIT STRING of whole bytes, or with the last bits unused. */
export function bitString(content: Uint8Array, unused = 0): Uint8Array {
  return element(TAG.bitString, Uint8Array.of(unused), content);
}

/** An INTEGER, positive, from its bytes. */
export function integer(bytes: Uint8Array): Uint8Array {
  const negative = ((bytes[0] ?? 0) & 0x80) !== 0;
  return negative ? element(TAG.integer, Uint8Array.of(0), bytes) : element(TAG.integer, bytes);
}

/** A UTF8String. */
export function utf8String(text: string): Uint8Array {
  return element(TAG.utf8String, new TextEncoder().encode(text));
}

/** An OBJECT IDENTIFIER from its usual text. */
export function objectIdentifier(text: string): Uint8Array {
  const [first = 0, second = 0, ...others] = text.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const arc of others) {
    const groups = [arc & 0x7f];
    for (let rest = arc >>> 7; rest > 0; rest >>>= 7) groups.unshift(0x80 | (rest & 0x7f));
    bytes.push(...groups);
  }
  return element(TAG.objectIdentifier, Uint8Array.from(bytes));
}

/** A UTCTime, which is what certificates have until 2049. */
export function utcTime(time: Date): Uint8Array {
  const text = time.toISOString().slice(2, 19).replaceAll(/[-:T]/g, "") + "Z";
  return element(TAG.utcTime, new TextEncoder().encode(text));
}
