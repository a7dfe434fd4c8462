/** Palettes as Pillow completes them: 256 entries of red, green, blue. */

/** Entries that are left out are black, or grey where those given are a ramp of greys: Pillow then drops the palette. */
export function completePalette(given: Uint8Array): Uint8Array {
  const greys = Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3))
  const entries = given.subarray(0, 768)
  if (entries.every((value, i) => value === greys[i])) return greys
  const palette = new Uint8Array(768)
  palette.set(entries)
  return palette
}
