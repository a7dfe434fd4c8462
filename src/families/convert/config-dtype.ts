/** The dtype that a config names is the one that transformers loads all weights in (`dtype: 'auto'`). */
import type { DType } from '../../core/dtype.ts'
import { isObject, type JsonObject } from '../json-reader.ts'

/** Of transformers before and since 5, in the config and in those of its parts. */
const FIELDS = ['torch_dtype', 'dtype']
const PARTS = ['text_config', 'vision_config']

/** The config with `dtype` wherever it names one; the very same one where it does so already. */
export function withDType(config: JsonObject, dtype: DType): JsonObject {
  const entries = Object.entries(config).map(([key, value]) => {
    if (FIELDS.includes(key)) return [key, value === null ? null : dtype] as const
    const isPart = PARTS.includes(key) && isObject(value)
    return [key, isPart ? withDType(value, dtype) : value] as const
  })
  const changed = entries.filter(([key, value]) => value !== config[key])
  return changed.length === 0 ? config : { ...config, ...Object.fromEntries(changed) }
}
