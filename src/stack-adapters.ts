/** LoRA adapters that lie on top of each other, told by the weights that they change: one is left of them. */
import { concatenate } from './core/concatenate.ts'
import { toFloat32 } from './core/tensor.ts'
import type { StoredPlace } from './families/parameter-map.ts'
import { parameterPath, type NameRule } from './families/parameter-names.ts'
import type { LoraAdapter, WeightSource } from './weights/index.ts'
import type { LoraModule } from './weights/lora.ts'

export type StackedWeight = {
  /** In the model that was trained, by the uppermost adapter that changes it. */
  readonly name: string
  /** Where an adapter holds it in full, and what that one calls it; undefined where it is the base's. */
  readonly full: (StoredPlace & { readonly trained: string }) | undefined
  /** What it gains on top, lowest first. */
  readonly products: readonly LowRank[]
}

export type LowRank = { readonly module: LoraModule; readonly source: WeightSource }

/**
 * By our paths, or by its name what the rules do not know; without what nothing reads. Names in memory differ between
 * versions, and so between adapters. A weight in full takes the place of all that lies below it.
 */
export function stackAdapters(
  adapters: readonly LoraAdapter[],
  rules: readonly NameRule[],
): ReadonlyMap<string, StackedWeight> {
  const weights = new Map<string, StackedWeight>()
  const keyOf = (name: string) => {
    const path = parameterPath(rules, name)
    return path === undefined ? name : path
  }
  for (const { modules, replacements, source } of adapters) {
    for (const [trained, name] of replacements) {
      const key = keyOf(trained)
      const full = { source, name, trained }
      if (key !== null) weights.set(key, { name: trained, full, products: [] })
    }
    for (const [path, module] of modules) {
      const name = `${path}.weight`
      const key = keyOf(name)
      if (key === null) continue
      const { full, products = [] } = weights.get(key) ?? {}
      weights.set(key, { name, full, products: [...products, { module, source }] })
    }
  }
  return weights
}

/** Rank and scale of all products of a weight as one: the scale is the last one's. */
export function joinedModule(products: readonly LowRank[]): { rank: number; scale: number } {
  const rank = products.reduce((sum, { module }) => sum + module.rank, 0)
  return { rank, scale: products.at(-1)?.module.scale ?? 1 }
}

export type Numbers = { readonly shape: readonly number[]; readonly values: () => Float32Array }

/**
 * A and B of all products of a weight as one, under the names of the last one's.
 *
 *   Σ scaleᵢ Bᵢ Aᵢ  =  scale · [… | scaleᵢ/scale · Bᵢ | …] [… ; Aᵢ ; …]        beside, below one another
 */
export function joinedPair(products: readonly LowRank[]): readonly (readonly [string, Numbers])[] {
  const last = products.at(-1)
  if (last === undefined) return []
  const { a, b, rows, columns } = last.module
  const { rank, scale } = joinedModule(products)
  return [
    [a, { shape: [rank, columns], values: () => rowsOfA(products) }],
    [b, { shape: [rows, rank], values: () => columnsOfB(products, { rows, rank, scale }) }],
  ]
}

function rowsOfA(products: readonly LowRank[]): Float32Array {
  const parts = products.map(({ module, source }) => toFloat32(source.read(module.a)))
  return concatenate(parts, Float32Array)
}

function columnsOfB(
  products: readonly LowRank[],
  { rows, rank, scale }: { readonly rows: number; readonly rank: number; readonly scale: number },
): Float32Array {
  const joined = new Float32Array(rows * rank)
  let at = 0
  for (const { module, source } of products) {
    const b = toFloat32(source.read(module.b))
    b.forEach((value, i) => {
      const [row, column] = [Math.floor(i / module.rank), i % module.rank]
      joined[row * rank + at + column] = value * (module.scale / scale)
    })
    at += module.rank
  }
  return joined
}
