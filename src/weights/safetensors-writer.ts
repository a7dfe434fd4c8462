/**
 * Writes safetensors files one tensor at a time, so that memory holds one tensor and never a checkpoint.
 *
 * Tensors lie in the order given. The header is padded to 64 bytes, so that every tensor whose predecessors fill whole
 * elements is aligned and can be mapped. Source of the format: see safetensors.ts.
 */
import { bytesPerElement, type DType, type TypedArray } from '../core/dtype.ts'
import { CheckpointError, ShapeError } from '../core/errors.ts'
import { elementCount, formatType } from '../core/shape.ts'
import { joinPath, listFolder, writeFileAtomically, type Append } from './node.ts'
import { SAFETENSORS_DTYPES } from './safetensors.ts'

export type TensorPlan = {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
}

/** Gives the elements of one planned tensor; called once for each, in order. */
export type TensorProducer = (plan: TensorPlan) => TypedArray | Promise<TypedArray>

export type WriteOptions = { readonly metadata?: Readonly<Record<string, string>> }

/**
 * Writes one file. It appears under `path` complete or not at all, whatever fails: the producer, the disk, the machine.
 * Throws CheckpointError if it cannot be written, ShapeError if a producer gives another number of elements than planned.
 */
export async function writeSafetensors(
  path: string,
  plans: readonly TensorPlan[],
  produce: TensorProducer,
  options: WriteOptions = {},
): Promise<void> {
  const header = safetensorsHeader(plans, options.metadata ?? {})
  await writeFileAtomically(path, async (append) => {
    await append(header)
    for (const plan of plans) await appendTensor(append, plan, produce)
  })
}

async function appendTensor(
  append: Append,
  plan: TensorPlan,
  produce: TensorProducer,
): Promise<void> {
  const data = await produce(plan)
  const expected = planBytes(plan)
  if (data.byteLength !== expected) {
    throw new ShapeError(
      'SHAPE_DATA',
      `weights: ${plan.name} is ${formatType(plan.dtype, plan.shape)}, which takes ${expected} bytes, the data to write has ${data.byteLength}.`,
    )
  }
  await append(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
}

/** Header length, header and padding: everything before the first tensor. Throws CheckpointError for a name given twice. */
export function safetensorsHeader(
  plans: readonly TensorPlan[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  // A Map and not an object: numeric names would jump to the front of an object.
  const entries = new Map<string, string>()
  if (Object.keys(metadata).length > 0) entries.set('__metadata__', JSON.stringify(metadata))
  let offset = 0
  for (const plan of plans) {
    if (entries.has(plan.name) || plan.name === '__metadata__') {
      throw new CheckpointError(
        'CHECKPOINT_DUPLICATE',
        `weights: expected every tensor once, ${plan.name} is to be written twice; give it another name.`,
      )
    }
    const data_offsets = [offset, (offset += planBytes(plan))]
    entries.set(
      plan.name,
      JSON.stringify({ dtype: STORED_NAMES.get(plan.dtype), shape: plan.shape, data_offsets }),
    )
  }
  const json = `{${[...entries].map(([name, entry]) => `${JSON.stringify(name)}:${entry}`).join(',')}}`
  const text = new TextEncoder().encode(json)
  const bytes = new Uint8Array(Math.ceil((8 + text.length) / 64) * 64).fill(0x20)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(bytes.length - 8), true)
  bytes.set(text, 8)
  return bytes
}

const STORED_NAMES: ReadonlyMap<DType, string> = new Map(
  [...SAFETENSORS_DTYPES].map(([stored, dtype]) => [dtype, stored]),
)

export type ShardOptions = WriteOptions & {
  /** No shard is longer, unless one tensor alone is. As in transformers, 5 GB if left out. */
  readonly maxShardBytes?: number
  /** Tensors that begin a shard of their own, so that what follows can change without the shards before it. */
  readonly beginsShard?: ((name: string) => boolean) | undefined
}

/**
 * Writes `model.safetensors` into a folder, or shards `model-00001-of-00003.safetensors` … and then their index if that
 * would be longer than a shard may be. Returns the names of the files. Throws as writeSafetensors does.
 */
export async function writeShardedSafetensors(
  folder: string,
  plans: readonly TensorPlan[],
  produce: TensorProducer,
  options: ShardOptions = {},
): Promise<string[]> {
  const { maxShardBytes = 5_000_000_000, beginsShard = () => false } = options
  const shards = splitIntoShards(plans, maxShardBytes, beginsShard)
  if (shards.length <= 1) {
    await writeSafetensors(joinPath(folder, 'model.safetensors'), plans, produce, options)
    return ['model.safetensors']
  }
  checkNoSingleFile(folder)
  const names = shards.map(
    (_, i) => `model-${fiveDigits(i + 1)}-of-${fiveDigits(shards.length)}.safetensors`,
  )
  const weightMap: [string, string][] = []
  for (const [i, shard] of shards.entries()) {
    const name = names[i] as string
    await writeSafetensors(joinPath(folder, name), shard, produce, options)
    for (const plan of shard) weightMap.push([plan.name, name])
  }
  const total = plans.reduce((sum, plan) => sum + planBytes(plan), 0)
  const index = { metadata: { total_size: total }, weight_map: Object.fromEntries(weightMap) }
  const indexName = 'model.safetensors.index.json'
  await writeFileAtomically(joinPath(folder, indexName), (append) =>
    append(new TextEncoder().encode(`${JSON.stringify(index, null, 2)}\n`)),
  )
  return [...names, indexName]
}

/** Readers take `model.safetensors` before an index, so an old one would hide the new shards. */
function checkNoSingleFile(folder: string): void {
  if (!listFolder(folder)?.includes('model.safetensors')) return
  throw new CheckpointError(
    'CHECKPOINT_IN_THE_WAY',
    `weights: ${folder} holds model.safetensors, which would be read in place of the shards; delete it or choose another folder.`,
  )
}

function splitIntoShards(
  plans: readonly TensorPlan[],
  maxBytes: number,
  beginsShard: (name: string) => boolean,
): TensorPlan[][] {
  const shards: TensorPlan[][] = []
  let room = 0
  for (const plan of plans) {
    const bytes = planBytes(plan)
    const last = shards.at(-1)
    if (last === undefined || bytes > room || beginsShard(plan.name)) {
      shards.push([plan])
      room = maxBytes - bytes
    } else {
      last.push(plan)
      room -= bytes
    }
  }
  return shards
}

function planBytes(plan: TensorPlan): number {
  return elementCount(plan.shape) * bytesPerElement(plan.dtype)
}

function fiveDigits(value: number): string {
  return String(value).padStart(5, '0')
}
