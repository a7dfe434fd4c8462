/**
 * LoRA merged into its base, one tensor at a time and only when it is read.
 *
 *   W' = W + scale · B A        in float32, sums in float64
 */
import { formatType } from '../core/shape.ts'
import { toFloat32, type HostTensor } from '../core/tensor.ts'
import { adapterFaults, type LoraAdapter, type LoraModule } from './lora.ts'
import { nearestName } from './nearest-name.ts'
import type { TensorInfo, WeightSource } from './source.ts'
import { tensorRows } from './tensor-rows.ts'

/**
 * A source over `base` in which the adapters are merged, in order; closing it closes base and adapters.
 *
 * `baseName` gives the base's name of a tensor of the model that the adapter was trained on, where the two differ
 * (`model.language_model.layers.0…` for `language_model.model.layers.0…`). Merged tensors are float32; of the others
 * nothing is touched. Throws CheckpointError naming every adapter tensor whose base is missing or has another shape.
 */
export function mergeLora(
  base: WeightSource,
  adapters: readonly LoraAdapter[],
  baseName: (trained: string) => string = (name) => name,
): WeightSource {
  const merges = new Map<string, Merge>()
  const faults = adapters.flatMap((adapter) => addMerges(merges, base, adapter, baseName))
  if (faults.length > 0) throw adapterFaults(faults)
  const tensors = new Map<string, TensorInfo>(base.tensors)
  for (const [name, { info }] of merges) tensors.set(name, info)
  const widen = keepLast(widenProducts)
  const readRows = (name: string, from: number, to: number) => {
    const merge = merges.get(name)
    return merge ? mergeRows(merge, widen(merge), from, to) : tensorRows(base, name, from, to)
  }
  return {
    tensors,
    read(name) {
      const merge = merges.get(name)
      return merge ? readRows(name, 0, merge.info.shape[0] as number) : base.read(name)
    },
    readRows,
    release: (name) => base.release?.(name),
    close() {
      base.close()
      for (const { source } of adapters) source.close()
    },
  }
}

type Merge = {
  readonly info: TensorInfo
  /** Where the tensor itself is: the base, or an adapter that trained it in full. */
  readonly from: { readonly source: WeightSource; readonly name: string }
  readonly products: { readonly source: WeightSource; readonly module: LoraModule }[]
}

function addMerges(
  merges: Map<string, Merge>,
  base: WeightSource,
  { modules, replacements, source }: LoraAdapter,
  baseName: (trained: string) => string,
): string[] {
  const faults: string[] = []
  for (const [path, stored] of replacements) {
    const name = baseName(path)
    const info = source.tensors.get(stored) as TensorInfo
    const fault = misfit(base, name, info.shape, stored)
    if (fault) faults.push(fault)
    else
      merges.set(name, {
        info: { ...info, dtype: 'float32' },
        from: { source, name: stored },
        products: [],
      })
  }
  for (const [path, module] of modules) {
    const name = baseName(`${path}.weight`)
    const fault = misfit(base, name, [module.rows, module.columns], module.a)
    if (fault) faults.push(fault)
    else mergeOf(merges, base, name).products.push({ source, module })
  }
  return faults
}

function misfit(
  base: WeightSource,
  name: string,
  shape: readonly number[],
  stored: string,
): string | undefined {
  const info = base.tensors.get(name)
  if (info === undefined) {
    const near = nearestName(name, base.tensors.keys())
    return `${stored} belongs to ${name}, which the base does not have${near === undefined ? '' : `; the nearest name is ${near}`}`
  }
  if (info.shape.length === shape.length && info.shape.every((dim, i) => dim === shape[i]))
    return undefined
  return `${stored} makes ${formatType('float32', shape)} but ${name} of the base is ${formatType(info.dtype, info.shape)}`
}

function mergeOf(merges: Map<string, Merge>, base: WeightSource, name: string): Merge {
  const known = merges.get(name)
  if (known) return known
  const info = base.tensors.get(name) as TensorInfo
  const merge: Merge = {
    info: { ...info, dtype: 'float32' },
    from: { source: base, name },
    products: [],
  }
  merges.set(name, merge)
  return merge
}

type WideProduct = {
  readonly module: LoraModule
  readonly a: Float64Array
  readonly b: Float64Array
}

function widenProducts({ products }: Merge): WideProduct[] {
  const widen = (source: WeightSource, name: string) =>
    new Float64Array(toFloat32(source.read(name)))
  return products.map(({ source, module }) => ({
    module,
    a: widen(source, module.a),
    b: widen(source, module.b),
  }))
}

/** The rows of one tensor are read one after the other: its matrices are kept until those of another are wanted. */
function keepLast<K, V>(compute: (key: K) => V): (key: K) => V {
  let last: { key: K; value: V } | undefined
  return (key) => {
    if (last?.key !== key) last = { key, value: compute(key) }
    return last.value
  }
}

function mergeRows(
  { from: at }: Merge,
  products: readonly WideProduct[],
  from: number,
  to: number,
): HostTensor {
  const stored = tensorRows(at.source, at.name, from, to)
  const data = toFloat32(stored).slice()
  for (const { module, a, b } of products) {
    addProduct(data, b.subarray(from * module.rank, to * module.rank), a, module)
  }
  return { dtype: 'float32', shape: stored.shape, data }
}

/**
 * target [n, columns] += scale · b a, with b [n, rank] and a [rank, columns].
 *
 * Four columns of `a` are laid side by side and stay in the first cache while two rows at a time pass over them; eight
 * sums stay in registers.
 */
function addProduct(
  target: Float32Array,
  b: Float64Array,
  a: Float64Array,
  { rank, scale, columns }: LoraModule,
): void {
  const rows = target.length / columns
  const strip = new Float64Array(rank * 4)
  for (let k = 0; k < columns; k += 4) {
    const count = Math.min(4, columns - k)
    for (let r = 0; r < rank; r++)
      for (let j = 0; j < count; j++) strip[r * 4 + j] = a[r * columns + k + j] as number
    for (let n = 0; n < rows; n += 2) {
      const isPair = n + 1 < rows
      sumStrip(strip, b, n * rank, (isPair ? n + 1 : n) * rank, rank)
      addSums(target, n * columns + k, count, 0, scale)
      if (isPair) addSums(target, (n + 1) * columns + k, count, 4, scale)
    }
  }
}

const sums = new Float64Array(8)

function sumStrip(
  strip: Float64Array,
  b: Float64Array,
  first: number,
  second: number,
  rank: number,
): void {
  let s0 = 0
  let s1 = 0
  let s2 = 0
  let s3 = 0
  let t0 = 0
  let t1 = 0
  let t2 = 0
  let t3 = 0
  for (let r = 0; r < rank; r++) {
    const u = b[first + r] as number
    const v = b[second + r] as number
    const a0 = strip[r * 4] as number
    const a1 = strip[r * 4 + 1] as number
    const a2 = strip[r * 4 + 2] as number
    const a3 = strip[r * 4 + 3] as number
    s0 += u * a0
    s1 += u * a1
    s2 += u * a2
    s3 += u * a3
    t0 += v * a0
    t1 += v * a1
    t2 += v * a2
    t3 += v * a3
  }
  sums[0] = s0
  sums[1] = s1
  sums[2] = s2
  sums[3] = s3
  sums[4] = t0
  sums[5] = t1
  sums[6] = t2
  sums[7] = t3
}

/** float32 after each step, as torch adds a merged product. */
function addSums(
  target: Float32Array,
  offset: number,
  count: number,
  first: number,
  scale: number,
): void {
  for (let j = 0; j < count; j++) {
    const change = Math.fround(Math.fround(sums[first + j] as number) * scale)
    target[offset + j] = (target[offset + j] as number) + change
  }
}
