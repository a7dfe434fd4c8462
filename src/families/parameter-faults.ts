/** What is wrong with the tensors of a checkpoint, in the names of its files. */
import { CheckpointError } from '../core/errors.ts'
import { formatType } from '../core/shape.ts'
import { nearestName } from '../weights/nearest-name.ts'
import type { TensorInfo } from '../weights/source.ts'
import { missingName, type KnownNames } from './missing-name.ts'

/** `path` is our name of a parameter, `name` the file's, `shape` what the model wants. */
export type ParameterFault =
  | { readonly kind: 'missing'; readonly path: string; readonly shape: readonly number[] }
  | { readonly kind: 'extra'; readonly name: string; readonly info: TensorInfo }
  | { readonly kind: 'twice'; readonly names: readonly [string, string] }
  | {
      readonly kind: 'misfit'
      readonly path: string
      readonly shape: readonly number[]
      readonly name: string
      readonly info: TensorInfo
    }

const MAX_FAULTS_SHOWN = 20

/** One error for all faults; the first of them are told. */
export function mismatch(faults: readonly ParameterFault[], known: KnownNames): CheckpointError {
  const names = {
    known,
    missing: faults.flatMap((fault) =>
      fault.kind === 'missing' ? [missingName(fault.path, known) ?? fault.path] : [],
    ),
    extra: faults.flatMap((fault) => (fault.kind === 'extra' ? [fault.name] : [])),
  }
  const shown = faults.slice(0, MAX_FAULTS_SHOWN).map((fault) => `\n  ${describe(fault, names)}`)
  const rest = faults.length > shown.length ? `\n  and ${faults.length - shown.length} more` : ''
  return new CheckpointError(
    'CHECKPOINT_MISMATCH',
    `weights: ${faults.length} ${faults.length === 1 ? 'tensor does' : 'tensors do'} not fit the config; do config and weights belong to the same model?${shown.join('')}${rest}`,
  )
}

type Names = {
  readonly known: KnownNames
  readonly missing: readonly string[]
  readonly extra: readonly string[]
}

/** A name that nobody knows is the likeliest to be a wanted one misspelt, and the other way round. */
function describe(fault: ParameterFault, { known, missing, extra }: Names): string {
  if (fault.kind === 'twice') return `twice: ${fault.names.join(' and ')} are one weight`
  if (fault.kind === 'missing') {
    const name = missingName(fault.path, known)
    const ours = name === undefined ? '' : ` (${fault.path})`
    const wanted = `missing: ${name ?? fault.path} [${fault.shape}]${ours}`
    return wanted + nearest(name ?? fault.path, extra, known.values())
  }
  const { name, info } = fault
  const came = formatType(info.dtype, info.shape)
  if (fault.kind === 'extra') {
    return `extra: ${name} ${came} in ${info.file}${nearest(name, missing, known.values())}`
  }
  const wanted = formatType('float32', fault.shape)
  const place = `${name} (${fault.path}) should be ${wanted}`
  return `${place} but ${info.file} has ${came}${nearest(name, extra)}`
}

/** The nearest of the first choices that have one near. */
function nearest(name: string, ...choices: readonly Iterable<string>[]): string {
  for (const candidates of choices) {
    const others = Array.from(candidates).filter((other) => other !== name)
    const near = nearestName(name, others)
    if (near !== undefined) return `; the nearest name is ${near}`
  }
  return ''
}
