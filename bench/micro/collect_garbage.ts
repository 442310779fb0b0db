/**
 * Collects all garbage now, so that one measurement does not pay for another one's.
 *
 * @throws {Error} When the runtime was started without `--expose-gc`.
 */
export function collectGarbage(): void {
  const { gc } = globalThis as { readonly gc?: () => void };
  if (gc === undefined) throw new Error("Cannot collect garbage: needs --expose-gc");
  gc();
}
