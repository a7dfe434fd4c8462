/**
 * LoRA merged into its base, one tensor at a time and only when it is read.
 *
 *   W' = W + scale · B A        in float32
 */
import { elementCount, formatType } from '../core/shape.ts'
import { toFloat32, type HostTensor } from '../core/tensor.ts'
import { addLowRank } from './lora-product.ts'
import { adapterFaults, type LoraAdapter, type LoraModule } from './lora.ts'
import { nearestName } from './nearest-name.ts'
import type { TensorInfo, WeightSource } from './source.ts'
import { rowsInto, tensorRows } from './tensor-rows.ts'

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
  const productsOf = keepLast(readProducts)
  const readRows = (name: string, from: number, to: number): HostTensor => {
    const merge = merges.get(name)
    if (!merge) return tensorRows(base, name, from, to)
    const shape = [to - from, ...merge.info.shape.slice(1)]
    const data = new Float32Array(elementCount(shape))
    mergeInto(merge, productsOf(merge), from, data)
    return { dtype: 'float32', shape, data }
  }
  return {
    tensors,
    read(name) {
      const merge = merges.get(name)
      return merge ? readRows(name, 0, merge.info.shape[0] as number) : base.read(name)
    },
    readRows,
    readInto(name, from, target) {
      const merge = merges.get(name)
      if (merge) mergeInto(merge, productsOf(merge), from, target)
      else rowsInto(base, name, from, target)
    },
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

type ReadProduct = {
  readonly module: LoraModule
  readonly a: Float32Array
  readonly b: Float32Array
}

function readProducts({ products }: Merge): ReadProduct[] {
  return products.map(({ source, module }) => ({
    module,
    a: toFloat32(source.read(module.a)),
    b: toFloat32(source.read(module.b)),
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

/** As many merged rows from `from` on as `target` takes. */
function mergeInto(
  { from: at, info }: Merge,
  products: readonly ReadProduct[],
  from: number,
  target: Float32Array,
): void {
  rowsInto(at.source, at.name, from, target)
  const to = from + target.length / elementCount(info.shape.slice(1))
  for (const { module, a, b } of products) {
    addLowRank(target, b.subarray(from * module.rank, to * module.rank), a, module)
  }
}
