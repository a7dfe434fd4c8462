/** The error of asking a source for a tensor that it does not have. */
import { CheckpointError } from '../core/errors.ts'
import { nearestName } from './nearest-name.ts'

/** Throws CheckpointError naming the tensor, the file and the nearest name that exists. */
export function unknownTensor(
  name: string,
  known: ReadonlyMap<string, unknown>,
  file: string,
): never {
  const near = nearestName(name, known.keys())
  const hint = near === undefined ? `it has ${known.size} tensors` : `the nearest name is ${near}`
  throw new CheckpointError(
    'CHECKPOINT_UNKNOWN_TENSOR',
    `weights: expected ${name}, ${file} has no such tensor; ${hint}.`,
  )
}
