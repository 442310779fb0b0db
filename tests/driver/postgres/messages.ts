/**
 * PostgreSQL's messages, byte by byte, for tests without a server.
 *
 * @module
 */

const encoder = new TextEncoder();

/** Parts of a message: bytes as they are, texts ended by a zero, numbers of four bytes. */
export type Part = Uint8Array | string | number;

function encode(part: Part): Uint8Array {
  if (typeof part === "string") return encoder.encode(`${part}\0`);
  if (typeof part !== "number") return part;
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, part);
  return bytes;
}

/** Puts byte sequences together. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/**
 * Makes a message.
 *
 * @param type Its letter; empty for the first message of a client.
 * @param parts Its body.
 * @returns Its bytes.
 */
export function message(type: string, ...parts: readonly Part[]): Uint8Array {
  const body = concat(...parts.map(encode));
  return concat(encoder.encode(type), encode(body.length + 4), body);
}

/** ReadyForQuery, by the state of the transaction. */
export function ready(state: "I" | "T" | "E" = "I"): Uint8Array {
  return message("Z", encoder.encode(state));
}

/** ErrorResponse. */
export function errorResponse(severity: string, code: string, text: string): Uint8Array {
  return message("E", `S${severity}`, `V${severity}`, `C${code}`, `M${text}`, Uint8Array.of(0));
}

/** All that a server says up to the first ReadyForQuery: no password, two parameters, process id and secret. */
export function welcome(pid = 4711, secret: Uint8Array = Uint8Array.of(1, 2, 3, 4)): Uint8Array {
  return concat(
    message("R", 0),
    message("S", "server_version", "18.4"),
    message("S", "in_hot_standby", "off"),
    message("K", pid, secret),
    ready(),
  );
}
