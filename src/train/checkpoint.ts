/**
 * A state to go on from, bit for bit: trained weights, both moments, counts of steps, random numbers, and where the data
 * stood.
 *
 * Frozen weights are not in it: they are read again from the checkpoint that training started from.
 */
import { CheckpointError } from '../core/errors.ts'
import type { RngState } from '../core/rng.ts'
import { elementCount, formatType } from '../core/shape.ts'
import { toFloat32 } from '../core/tensor.ts'
import { completeFolder, writeFolderAtomically } from '../weights/folder-node.ts'
import {
  openFileBytes,
  readSafetensors,
  writeSafetensors,
  type WeightSource,
} from '../weights/index.ts'
import { isFile, joinPath, writeFileAtomically } from '../weights/node.ts'
import { checkLearntFor, type LearntFor } from './learnt-for.ts'
import type { ParameterMoments, ParameterStore } from './parameter-store.ts'

const TENSORS = 'state.safetensors'
const NUMBERS = 'state.json'
const VERSION = 2

/** What is no tensor. */
export type TrainerState = {
  readonly steps: number
  readonly rng: RngState
  /** Whatever the loop around the trainer wants back: epoch, position, order of the data. */
  readonly cursor: unknown
}

type StoredState = TrainerState & {
  readonly version: number
  readonly learntFor: LearntFor
  /** Steps of each parameter by name. */
  readonly counts: Readonly<Record<string, number>>
}

type CheckpointParts = {
  readonly store: ParameterStore
  readonly learntFor: LearntFor
  /** A parameter's name in files. */
  readonly nameOf: (path: string) => string
}

/** Writes into `folder`, whole or not at all. */
export async function writeCheckpoint(
  folder: string,
  { store, learntFor, nameOf, state }: CheckpointParts & { readonly state: TrainerState },
): Promise<void> {
  const tensors = new Map<string, { data: Float32Array; shape: readonly number[] }>()
  const counts: Record<string, number> = {}
  for (const moments of store.moments()) {
    const name = nameOf(moments.path)
    for (const [prefix, data] of piecesOf(moments)) {
      tensors.set(`${prefix}/${name}`, { data, shape: moments.shape })
    }
    counts[name] = moments.steps
  }
  const stored: StoredState = { version: VERSION, ...state, learntFor, counts }
  const json = new TextEncoder().encode(`${JSON.stringify(stored, null, 2)}\n`)
  const plans = [...tensors].map(([name, { shape }]) => ({
    name,
    dtype: 'float32' as const,
    shape,
  }))
  const write = async (temporary: string) => {
    const produce = ({ name }: { name: string }) => tensors.get(name)?.data as Float32Array
    await writeSafetensors(joinPath(temporary, TENSORS), plans, produce)
    await writeFileAtomically(joinPath(temporary, NUMBERS), (append) => append(json))
  }
  await writeFolderAtomically(folder, write, { kind: 'state' })
}

/**
 * Puts a saved state into the store and gives the rest of it.
 *
 * Throws CheckpointError where there is none, or where other parameters were trained, or the same for something else.
 */
export async function readCheckpoint(
  folder: string,
  { store, learntFor, nameOf }: CheckpointParts,
): Promise<TrainerState> {
  const found = await completeFolder(folder)
  if (found === undefined) {
    throw new CheckpointError(
      'CHECKPOINT_RESUME',
      `resume: expected a checkpoint in ${folder}, there is no such folder; give one that trainer.checkpoint wrote.`,
    )
  }
  const path = joinPath(found, NUMBERS)
  if (!isFile(path)) {
    throw new CheckpointError(
      'CHECKPOINT_RESUME',
      `resume: expected a checkpoint in ${folder}, the folder has no ${NUMBERS}; give one that trainer.checkpoint wrote.`,
    )
  }
  const names = [...store.moments()].map((moments) => nameOf(moments.path))
  const stored = readNumbers(path)
  checkLearntFor(stored.learntFor, learntFor, folder)
  const source = readSafetensors(openFileBytes(joinPath(found, TENSORS)))
  try {
    const parameters = [...store.moments()]
    checkTensors(source, parameters, { folder, nameOf })
    if (!names.every((name) => isCount(stored.counts[name]))) throw damaged(path)
    for (const moments of parameters) {
      const name = nameOf(moments.path)
      for (const [prefix, data] of piecesOf(moments)) {
        data.set(toFloat32(source.read(`${prefix}/${name}`)))
      }
      moments.setSteps(stored.counts[name] as number)
    }
  } finally {
    source.close()
  }
  const { steps, rng, cursor } = stored
  return { steps, rng, cursor }
}

function piecesOf({ weight, firstMoment, secondMoment }: ParameterMoments) {
  return [
    ['weight', weight],
    ['exp_avg', firstMoment],
    ['exp_avg_sq', secondMoment],
  ] as const
}

function readNumbers(path: string): StoredState {
  const file = openFileBytes(path, { map: false })
  try {
    const json = parsedNumbers(new TextDecoder().decode(file.bytes(0, file.size)), path)
    if (json.version === VERSION && isWhole(json)) return json
    if (json.version === VERSION) throw damaged(path)
    throw new CheckpointError(
      'CHECKPOINT_RESUME',
      `resume: ${path} should be of version ${VERSION}, ${json.version} came; go on with the release that wrote it.`,
    )
  } finally {
    file.close()
  }
}

function parsedNumbers(text: string, path: string): StoredState {
  try {
    const json = JSON.parse(text) as StoredState | null
    if (typeof json === 'object' && json !== null) return json
  } catch (cause) {
    throw damaged(path, cause)
  }
  throw damaged(path)
}

/** Whether everything is there that a run goes on from. */
function isWhole({ steps, rng, learntFor, counts }: Partial<StoredState>): boolean {
  const isRng = Array.isArray(rng) && rng.length === 4 && rng.every(Number.isSafeInteger)
  const isObject = (value: unknown) => typeof value === 'object' && value !== null
  return isCount(steps) && isRng && isObject(learntFor) && isObject(counts)
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function damaged(path: string, cause?: unknown): CheckpointError {
  return new CheckpointError(
    'CHECKPOINT_RESUME',
    `resume: ${path} should hold the steps, random numbers and counts of a checkpoint, it is cut short or changed; give another that trainer.checkpoint wrote.`,
    { cause },
  )
}

function checkTensors(
  source: WeightSource,
  parameters: readonly ParameterMoments[],
  { folder, nameOf }: { readonly folder: string; readonly nameOf: (path: string) => string },
): void {
  const faults: string[] = []
  const wanted = new Set(parameters.map(({ path }) => `weight/${nameOf(path)}`))
  for (const { path, shape } of parameters) {
    const stored = source.tensors.get(`weight/${nameOf(path)}`)
    const fits = stored && elementCount(stored.shape) === elementCount(shape)
    if (!fits) faults.push(`${nameOf(path)} should be ${formatType('float32', shape)}`)
  }
  for (const name of source.tensors.keys()) {
    if (name.startsWith('weight/') && !wanted.has(name)) faults.push(`${name} is not trained`)
  }
  if (faults.length === 0) return
  throw new CheckpointError(
    'CHECKPOINT_RESUME',
    `resume: ${folder} was written while other parameters were trained: ${faults.slice(0, 5).join('; ')}${faults.length > 5 ? ' …' : ''}; resume with the options that it was written with.`,
  )
}
