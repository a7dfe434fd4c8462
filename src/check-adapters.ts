/** Whether adapters on top of each other are all that they were trained with, each once. */
import { checkAdaptersOnce } from './check-adapters-once.ts'
import { CheckpointError } from './core/errors.ts'
import { ADAPTER_STACK, adaptersUnder } from './weights/adapter-stack.ts'
import { joinPath } from './weights/node.ts'

/**
 * `adapters`: all that count, the lowest first. Throws ConfigError for one that comes twice, CheckpointError for one with
 * fewer under it than it was trained over; how many, since folders may have moved.
 */
export function checkAdapters(adapters: readonly string[]): void {
  checkAdaptersOnce(adapters)
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
