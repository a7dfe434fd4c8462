/** Weights that another program has quantised are refused by its name: their blocks are none that are read here. */
import { CheckpointError } from './core/errors.ts'
import type { DType } from './core/dtype.ts'
import { isObject } from './families/json-reader.ts'
import type { WeightSource } from './weights/index.ts'

const PACKED: readonly DType[] = ['int8', 'uint8', 'int32']

/**
 * `config`: the config.json beside the weights of `source` in `folder`. A config alone says nothing: those of QLoRA adapters
 * name what their base was rounded to while they were trained.
 */
export function refuseQuantized(folder: string, config: unknown, source: WeightSource): void {
  const method = quantMethod(config)
  if (method === null) return
  const packed = [...source.tensors].find(([, { dtype }]) => PACKED.includes(dtype))
  if (packed === undefined) return
  const [name, { dtype }] = packed
  throw new CheckpointError(
    'CHECKPOINT_QUANTIZED',
    `${folder}: expected weights as floating-point numbers, ${name} is ${dtype}: they were quantised by ${method} (quantization_config of config.json); take the checkpoint that was quantised, and let --precision or "llava quantize" make it small.`,
  )
}

function quantMethod(config: unknown): string | null {
  if (!isObject(config)) return null
  const own = config['quantization_config']
  if (!isObject(own)) return quantMethod(config['text_config'])
  // Older files of bitsandbytes do not say whose they are.
  const method = own['quant_method'] ?? (hasBits(own) ? 'bitsandbytes' : 'another program')
  return String(method)
}

function hasBits(config: Readonly<Record<string, unknown>>): boolean {
  return config['load_in_8bit'] === true || config['load_in_4bit'] === true
}
