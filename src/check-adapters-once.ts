/** An adapter that is named in two places would be added twice, and the model would be another than the trained one. */
import { ConfigError } from './core/errors.ts'
import { linkedPath, listFolder } from './weights/node.ts'

/** Throws ConfigError for a folder that comes again among `adapters`, by whichever path. */
export function checkAdaptersOnce(adapters: readonly string[]): void {
  const places = new Map<string, string>()
  for (const path of adapters) {
    // What is not there is told where it is opened.
    const place = listFolder(path) === undefined ? path : linkedPath(path)
    const other = places.get(place)
    if (other === undefined) {
      places.set(place, path)
      continue
    }
    const again = other === path ? '' : ` (as ${other} too)`
    throw new ConfigError(
      'CONFIG_OPTION',
      `adapters: expected each adapter once, in the model's own folders or on top of them, ${path} came twice${again}; leave one out.`,
    )
  }
}
