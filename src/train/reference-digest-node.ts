/** The frozen reference of a preference objective as a line that two runs can compare, wherever its files lie. */
import { createHash } from 'node:crypto'
import { inTurns, type Steps } from '../core/steps.ts'
import { hashFiles } from '../weights/index.ts'
import { adapterPaths } from './lora-graph.ts'
import type { TrainerSettings } from './options.ts'
import type { Trained } from './trained-parameters.ts'

/** Of a model of its own. */
export async function modelDigest(files: readonly string[], signal?: AbortSignal): Promise<string> {
  return `a model, SHA-256 ${await hashFiles(files, signal && { signal })}`
}

/** Of the model as it is when training starts: what is trained may have become anything by the time that a run goes on. */
export async function startDigest(trained: Trained, { lora }: TrainerSettings): Promise<string> {
  const fresh = lora?.init === null ? trained.modules.map(({ weight }) => adapterPaths(weight)) : []
  const isFresh = new Set(fresh.flatMap(({ a, b }) => [a, b]))
  // Adapters that begin at random add nothing at first, whatever the seed.
  const paths = trained.parameters.map(({ path }) => path).filter((path) => !isFresh.has(path))
  return `the model that training starts from (lora.init among it), SHA-256 ${await inTurns(startSteps(trained, paths))}`
}

function* startSteps({ start }: Trained, paths: readonly string[]): Steps<string> {
  const hash = createHash('sha256')
  for (const path of [...paths].sort()) {
    const { buffer, byteOffset, byteLength } = start(path)
    hash.update(path).update(new Uint8Array(buffer, byteOffset, byteLength))
    yield
  }
  return hash.digest('hex')
}
