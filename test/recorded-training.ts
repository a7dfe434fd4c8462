/** Samples and options that tests of the trainer share: the recorded tiny model and its pictures. */
import { join } from 'node:path'
import { toFloat32 } from '../src/core/tensor.ts'
import { openFileBytes, readSafetensors } from '../src/weights/index.ts'
import type { Sample } from '../src/train/index.ts'

export const FIXTURES = join('fixtures', 'training')
export const MODEL = join(FIXTURES, 'models', 'llava')

/** The samples of a recorded case. */
export function recordedSamples(name: string): Sample[] {
  const source = readSafetensors(openFileBytes(join(FIXTURES, name, 'inputs.safetensors')))
  const samples: Sample[] = []
  for (let i = 0; source.tensors.has(`sample.${i}.input_ids`); i++) {
    const numbers = (field: string) => Array.from(source.read(`sample.${i}.${field}`).data, Number)
    const pixels = source.tensors.get(`sample.${i}.pixel_values`)
    samples.push({
      inputIds: numbers('input_ids'),
      labels: numbers('labels'),
      ...(pixels && {
        pixelValues: {
          data: toFloat32(source.read(`sample.${i}.pixel_values`)).slice(),
          shape: pixels.shape,
        },
      }),
    })
  }
  source.close()
  return samples
}
