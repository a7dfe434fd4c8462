/**
 * The names that a PyTorch pickle may use, and what they make: tensors laid over the storages of the archive.
 *
 * OrderedDict, the storage classes and the two functions that rebuild a tensor stand here and nowhere else; a pickle
 * that names anything else is refused. Source: pytorch v2.13, torch/serialization.py (`persistent_load`) and
 * torch/_utils.py (`_rebuild_tensor_v2`, `_rebuild_parameter`).
 */
import { bytesPerElement, type DType } from '../core/dtype.ts'
import { CheckpointError } from '../core/errors.ts'
import { elementCount } from '../core/shape.ts'
import {
  describePickled,
  type PickleEnvironment,
  type PickleFunction,
  type PickleObject,
  type PickleValue,
} from './pickle.ts'
import { stridedLength } from './strided.ts'

/** A tensor over a storage: element [i, j] is at `offset + i·stride[0] + j·stride[1]`, counted in elements. */
export type PickledTensor = {
  readonly storage: PickledStorage
  readonly offset: number
  readonly shape: readonly number[]
  readonly stride: readonly number[]
}

/** One entry `data/KEY` of the archive; several tensors may share it. */
export type PickledStorage = {
  readonly key: string
  readonly dtype: DType
  readonly numElements: number
}

export type TorchPickle = {
  readonly environment: PickleEnvironment
  /** The tensor behind a value that the pickle returned, undefined if it is something else. */
  tensor(value: PickleValue): PickledTensor | undefined
}

/** `where` begins the messages; `storageBytes` is the length of the archive's entry for a key, undefined if there is none. */
export function torchPickle(
  where: string,
  storageBytes: (key: string) => number | undefined,
): TorchPickle {
  const storages = new Map<PickleValue, PickledStorage>()
  const tensors = new Map<PickleValue, PickledTensor>()
  const fail = (expected: string, came: PickleValue | undefined): never => {
    throw new CheckpointError(
      'CHECKPOINT_PYTORCH',
      `${where}: expected ${expected}, ${describePickled(came)} came; the file is damaged.`,
    )
  }
  const functions = new Map<string, (args: readonly PickleValue[]) => PickleValue>([
    [
      'collections.OrderedDict',
      (args) =>
        args.length === 0
          ? { kind: 'dict', entries: new Map() }
          : fail('an empty OrderedDict', args[0]),
    ],
    [
      'torch._utils._rebuild_tensor_v2',
      (args) => keep(tensors, 'a tensor', rebuildTensor(args, storages, fail)),
    ],
    [
      'torch._utils._rebuild_parameter',
      ([data]) =>
        data !== undefined && tensors.has(data) ? data : fail('the tensor of a parameter', data),
    ],
  ])
  return {
    environment: {
      global(name) {
        const call = functions.get(name)
        if (call !== undefined) return { kind: 'function', name, call } satisfies PickleFunction
        return STORAGE_CLASSES.has(name) ? { kind: 'object', name } : undefined
      },
      persistent: (id) => keep(storages, 'a storage', readStorage(id, storageBytes, fail)),
    },
    tensor: (value) => tensors.get(value),
  }
}

const STORAGE_CLASSES: ReadonlyMap<string, DType> = new Map([
  ['torch.DoubleStorage', 'float64'],
  ['torch.FloatStorage', 'float32'],
  ['torch.HalfStorage', 'float16'],
  ['torch.BFloat16Storage', 'bfloat16'],
  ['torch.CharStorage', 'int8'],
  ['torch.ByteStorage', 'uint8'],
  ['torch.ShortStorage', 'int16'],
  ['torch.IntStorage', 'int32'],
  ['torch.LongStorage', 'int64'],
  ['torch.BoolStorage', 'bool'],
])

type Fail = (expected: string, came: PickleValue | undefined) => never

/** The pickle gets a handle; what it stands for stays here, where a pickle cannot forge it. */
function keep<T>(made: Map<PickleValue, T>, name: string, value: T): PickleObject {
  const handle: PickleObject = { kind: 'object', name }
  made.set(handle, value)
  return handle
}

/** The id is ('storage', class, key, device, number of elements); the device says where it lay in the saver. */
function readStorage(
  id: PickleValue,
  storageBytes: (key: string) => number | undefined,
  fail: Fail,
): PickledStorage {
  const [tag, storageClass, key, , numElements] = itemsOf(id) ?? []
  if (tag !== 'storage') fail('a storage', id)
  const dtype =
    storageClass !== null && typeof storageClass === 'object' && storageClass.kind === 'object'
      ? STORAGE_CLASSES.get(storageClass.name)
      : undefined
  if (dtype === undefined) return fail('a storage class', storageClass)
  if (typeof key !== 'string') return fail('the key of a storage', key)
  if (!isSize(numElements)) return fail(`the number of elements of storage ${key}`, numElements)
  const bytes = storageBytes(key)
  if (bytes === undefined) return fail(`an entry data/${key} in the archive`, null)
  if (numElements * bytesPerElement(dtype) > bytes)
    fail(`storage ${key} to fit its ${bytes} bytes`, numElements)
  return { key, dtype, numElements }
}

/** Arguments: storage, offset, shape, stride, requires_grad, backward_hooks and sometimes metadata; the last ones say nothing here. */
function rebuildTensor(
  args: readonly PickleValue[],
  storages: ReadonlyMap<PickleValue, PickledStorage>,
  fail: Fail,
): PickledTensor {
  const [storageHandle, offset, shapeTuple, strideTuple] = args
  const storage = storageHandle === undefined ? undefined : storages.get(storageHandle)
  if (storage === undefined) return fail('the storage of a tensor', storageHandle)
  const shape = itemsOf(shapeTuple)
  const stride = itemsOf(strideTuple)
  if (!isSize(offset)) return fail('the offset of a tensor', offset)
  if (shape === undefined || !shape.every(isSize) || shape.length > MAX_RANK)
    return fail('the shape of a tensor', shapeTuple)
  if (stride === undefined || !stride.every(isSize) || stride.length !== shape.length)
    return fail('the stride of a tensor', strideTuple)
  const needed = stridedLength(shape, stride)
  if (!(offset + needed <= storage.numElements))
    return fail(`a tensor within its storage of ${storage.numElements} elements`, offset + needed)
  // A stride of 0 repeats elements (torch saves what was expanded so): a tiny file could ask for any amount of memory.
  const count = elementCount(shape)
  const most = Math.max(storage.numElements, MAX_REPEATED)
  if (!(count <= most)) return fail(`at most ${most} elements in a tensor that repeats some`, count)
  return { storage, offset, shape, stride }
}

const MAX_RANK = 32

/** Elements of a tensor that has more than its storage: a matrix of 4096 × 4096. */
const MAX_REPEATED = 2 ** 24

function itemsOf(value: PickleValue | undefined): readonly PickleValue[] | undefined {
  const isTuple = value !== null && typeof value === 'object' && value.kind === 'tuple'
  return isTuple ? value.items : undefined
}

function isSize(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
