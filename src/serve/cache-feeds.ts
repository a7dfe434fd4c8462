/** The buffers of a cache by the names that the decoder's graphs have for them. */
import type { Tensor } from '../runtime/runtime.ts'
import { cacheNames, presentName, scaleNames } from './decoder-graph.ts'
import type { CacheLayer } from './kv-cache.ts'

export type NamedTensors = Record<string, Tensor>

/** Of one sequence or batch, or of one segment. */
export function pastFeeds(layers: readonly CacheLayer[], segment?: number): NamedTensors {
  return named(layers, ({ key, value }, i) => {
    const names = cacheNames(i, segment)
    return [
      [names.key, key],
      [names.value, value],
    ]
  })
}

export function presentFeeds(layers: readonly CacheLayer[], segment?: number): NamedTensors {
  const past = Object.entries(pastFeeds(layers, segment))
  return Object.fromEntries(past.map(([name, tensor]) => [presentName(name), tensor]))
}

/** The scales that prefill reads: of keys and values. */
export function pastScaleFeeds(layers: readonly CacheLayer[]): NamedTensors {
  return named(layers, ({ scales }, i) => {
    const names = scaleNames(i)
    if (!scales) return []
    return [
      [names.key, scales.key],
      [names.value, scales.value],
    ]
  })
}

/** The scales that decoding reads; none of a float32 cache. */
export function scaleFeeds(layers: readonly CacheLayer[]): NamedTensors {
  const ofQueries = named(layers, ({ scales }, i) => {
    const names = scaleNames(i)
    if (!scales) return []
    return [
      [names.query, scales.query],
      [names.output, scales.output],
    ]
  })
  return { ...pastScaleFeeds(layers), ...ofQueries }
}

function named(
  layers: readonly CacheLayer[],
  feeds: (layer: CacheLayer, index: number) => [string, Tensor][],
): NamedTensors {
  return Object.fromEntries(layers.flatMap(feeds))
}
