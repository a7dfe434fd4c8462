/** Does a checkpoint hold exactly the tensors that a model needs? All that is wrong is said at once. */
import { FLOAT_DTYPES, type DType } from '../core/dtype.ts'
import { CheckpointError } from '../core/errors.ts'
import { formatType, sameShape } from '../core/shape.ts'
import { nearestName } from './nearest-name.ts'
import type { TensorInfo, WeightSource } from './source.ts'

export type ExpectedTensor = {
  /** The name in the checkpoint. */
  readonly name: string
  readonly shape: readonly number[]
  /** What it may be stored as; the floats if left out. */
  readonly dtypes?: readonly DType[]
}

export type MatchOptions = {
  /** Expected tensors that may be missing. */
  readonly optional?: (name: string) => boolean
  /** Names that the checkpoint may have besides. */
  readonly ignored?: (name: string) => boolean
}

/** Throws one CheckpointError that lists every missing, misshapen and extra tensor of `source`, with the nearest name. */
export function matchTensors(
  source: WeightSource,
  expected: readonly ExpectedTensor[],
  { optional = () => false, ignored = () => false }: MatchOptions = {},
): void {
  const names = new Set(expected.map(({ name }) => name))
  const missing = expected.filter(({ name }) => !source.tensors.has(name) && !optional(name))
  const extra = [...source.tensors].filter(([name]) => !names.has(name) && !ignored(name))
  const faults = [
    ...missing.map((tensor) => () => describeMissing(tensor, extra)),
    ...expected.flatMap((tensor) => describeMisfit(tensor, source.tensors.get(tensor.name))),
    ...extra.map(
      ([name, info]) =>
        () =>
          describeExtra(name, info, missing),
    ),
  ]
  if (faults.length === 0) return
  const shown = faults.slice(0, MAX_FAULTS_SHOWN).map((describe) => `\n  ${describe()}`)
  const rest = faults.length > shown.length ? `\n  and ${faults.length - shown.length} more` : ''
  throw new CheckpointError(
    'CHECKPOINT_MISMATCH',
    `weights: expected the ${expected.length} tensors that the config describes, ${faults.length} faults came; ` +
      `do config and weights belong to the same model?${shown.join('')}${rest}`,
  )
}

// A wrong config makes every tensor wrong; the first ones tell.
const MAX_FAULTS_SHOWN = 20

function describeMissing(
  { name, shape }: ExpectedTensor,
  extra: readonly [string, TensorInfo][],
): string {
  const near = nearestName(
    name,
    extra.map(([other]) => other),
  )
  return `missing: ${name} [${shape.join(',')}]${near === undefined ? '' : `; the nearest name is ${near}`}`
}

function describeMisfit(tensor: ExpectedTensor, info: TensorInfo | undefined): (() => string)[] {
  const dtypes = tensor.dtypes ?? FLOAT_DTYPES
  if (info === undefined || (sameShape(tensor.shape, info.shape) && dtypes.includes(info.dtype)))
    return []
  const dtype = dtypes.includes(info.dtype) ? info.dtype : (dtypes[0] ?? info.dtype)
  return [
    () =>
      `${tensor.name} should be ${formatType(dtype, tensor.shape)} but ${info.file} has ${formatType(info.dtype, info.shape)}`,
  ]
}

function describeExtra(name: string, info: TensorInfo, missing: readonly ExpectedTensor[]): string {
  const near = nearestName(
    name,
    missing.map((tensor) => tensor.name),
  )
  return `extra: ${name} ${formatType(info.dtype, info.shape)} in ${info.file}${near === undefined ? '' : `; the nearest name is ${near}`}`
}
