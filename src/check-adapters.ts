/** Whether adapters on top of each other are all that they were trained with, each once. */
import { CheckpointError, ConfigError } from './core/errors.ts'
import { ADAPTER_STACK, adaptersUnder } from './weights/adapter-stack.ts'
import { joinPath, linkedPath, listFolder } from './weights/node.ts'

/**
 * `adapters`: all that count, the lowest first. Throws ConfigError for one that comes twice, CheckpointError for one with
 * fewer under it than it was trained over; how many, since folders may have moved.
 */
export function checkAdapters(adapters: readonly string[]): void {
  checkOnce(adapters)
  for (const [below, path] of adapters.entries()) {
    const under = adaptersUnder(path)
    if (below >= under.length) continue
    const came = below === 0 ? 'none' : adapters.slice(0, below).join(', ')
    throw new CheckpointError(
      'CHECKPOINT_BASE',
      `adapters: ${path} was trained over ${under.join(', ')}, of adapters under it ${came} came; give them all, the lowest first (--adapter), or delete ${joinPath(path, ADAPTER_STACK)} if the model has them merged.`,
    )
  }
}

/** An adapter that is named in two places, by whichever paths, would be added twice: another model than the trained one. */
function checkOnce(adapters: readonly string[]): void {
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
