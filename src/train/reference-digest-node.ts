/** The frozen reference of a preference objective as lines that two runs can compare, wherever its files lie. */
import { createHash } from 'node:crypto'
import { inTurns, type Steps } from '../core/steps.ts'
import { hashFiles } from '../weights/index.ts'
import { hashesFile } from '../weights/node.ts'
import type { LearntFor } from './learnt-for.ts'
import { adapterPaths } from './lora-graph.ts'
import type { TrainerSettings } from './options.ts'
import type { Trained } from './trained-parameters.ts'

type Files = { readonly files: readonly string[]; readonly signal: AbortSignal | undefined }

/** Of a model of its own. */
export async function modelDigest(files: Files): Promise<LearntFor> {
  return { 'objective.reference': `a model, SHA-256 ${await hashed(files)}` }
}

/**
 * Of the model as it is when training starts: what is trained may have become anything by the time that a run goes on.
 * `files`: all that it is read from; what lora.init brings and what was drawn is in none of them.
 */
export async function startDigest(
  trained: Trained,
  { lora }: TrainerSettings,
  files: Files,
): Promise<LearntFor> {
  const fresh = lora?.init === null ? trained.modules.map(({ weight }) => adapterPaths(weight)) : []
  const isFresh = new Set(fresh.flatMap(({ a, b }) => [a, b]))
  // Adapters that begin at random add nothing at first, whatever the seed.
  const paths = trained.parameters.map(({ path }) => path).filter((path) => !isFresh.has(path))
  return {
    'objective.reference': `the model that training starts from (lora.init among it), SHA-256 ${await inTurns(startSteps(trained, paths))}`,
    'objective.reference.files': `those that training starts from, SHA-256 ${await hashed(files)}`,
  }
}

/** A file is read once: its hash is remembered as long as nobody writes to it. */
function hashed({ files, signal }: Files): Promise<string> {
  return hashFiles(files, { memoFile: hashesFile(), ...(signal && { signal }) })
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
