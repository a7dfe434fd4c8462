/**
 * PyTorch's `.bin` files: a zip archive with the storages as entries and a pickle that lays tensors over them.
 *
 * Source: pytorch v2.13, torch/serialization.py (`_save`).
 */
import { bytesPerElement } from '../core/dtype.ts'
import { CheckpointError } from '../core/errors.ts'
import type { FileBytes } from './file-bytes.ts'
import { describePickled, readPickle } from './pickle.ts'
import { torchPickle, type PickledTensor } from './pytorch-pickle.ts'
import type { TensorInfo, WeightSource } from './source.ts'
import { readStrided, stridedLength, type StridedLayout } from './strided.ts'
import { unknownTensor } from './unknown-tensor.ts'
import { isZip, readZipDirectory, type ZipEntry } from './zip.ts'

/**
 * Reads the state dict of `file`, which the source closes when it is closed. Contiguous tensors are views of the file,
 * others are copied. Throws CheckpointError for anything that is not a dict of tensors, or would need code to be run.
 */
export function readPytorch(file: FileBytes): WeightSource {
  const tensors = readStateDict(file)
  return {
    tensors,
    read(name) {
      const tensor = tensors.get(name) ?? unknownTensor(name, tensors, file.name)
      const data = readStrided(tensor, file.bytes(tensor.offset, tensor.numBytes))
      return { dtype: tensor.dtype, shape: tensor.shape, data }
    },
    release(name) {
      const tensor = tensors.get(name)
      if (tensor) file.release(tensor.offset, tensor.numBytes)
    },
    close: () => file.close(),
  }
}

/** A tensor's elements lie, in the order of its strides, in the bytes [offset, offset + numBytes) of the file. */
type StoredTensor = TensorInfo &
  StridedLayout & { readonly offset: number; readonly numBytes: number }

function readStateDict(file: FileBytes): ReadonlyMap<string, StoredTensor> {
  const where = `weights: ${file.name}`
  const archive = openArchive(file)
  const torch = torchPickle(where, (key) => archive.entry(`data/${key}`)?.size)
  const root = readPickle(
    where,
    file.bytes(archive.pickle.offset, archive.pickle.size),
    torch.environment,
  )
  if (root === null || typeof root !== 'object' || root.kind !== 'dict') {
    throw notStateDict(`${where}: expected a dict of tensors, ${describePickled(root)} came`)
  }
  const tensors = new Map<string, StoredTensor>()
  for (const [name, value] of root.entries) {
    const tensor = torch.tensor(value)
    if (typeof name !== 'string' || tensor === undefined) {
      throw notStateDict(
        `${where}: expected a tensor for ${String(name)}, ${describePickled(value)} came`,
      )
    }
    tensors.set(name, place(file, archive, tensor))
  }
  return tensors
}

type Archive = { readonly pickle: ZipEntry; entry(name: string): ZipEntry | undefined }

/** All entries lie in one folder, whose name is that of the file when it was saved. */
function openArchive(file: FileBytes): Archive {
  if (!isZip(file)) throw notZip(file)
  const entries = readZipDirectory(file)
  const pickles = [...entries.values()].filter(({ name }) => /^[^/]*\/data\.pkl$/.test(name))
  const [pickle] = pickles
  if (pickle === undefined || pickles.length > 1) {
    throw new CheckpointError(
      'CHECKPOINT_PYTORCH',
      `weights: ${file.name}: expected one data.pkl in the archive, it has ${pickles.length}; is this a file of torch.save?`,
    )
  }
  const folder = pickle.name.slice(0, -'data.pkl'.length)
  const archive = { pickle, entry: (name: string) => entries.get(folder + name) }
  checkByteOrder(file, archive.entry('byteorder'))
  return archive
}

function checkByteOrder(file: FileBytes, entry: ZipEntry | undefined): void {
  if (entry === undefined) return // files from before PyTorch 2.1 do not say, and are little-endian
  const order = new TextDecoder().decode(file.bytes(entry.offset, Math.min(entry.size, 16)))
  if (order === 'little') return
  throw new CheckpointError(
    'CHECKPOINT_PYTORCH',
    `weights: ${file.name}: expected little-endian numbers, byteorder says ${JSON.stringify(order)}; save it on a little-endian machine.`,
  )
}

function place(file: FileBytes, archive: Archive, tensor: PickledTensor): StoredTensor {
  const { storage, shape, stride } = tensor
  const width = bytesPerElement(storage.dtype)
  const start = archive.entry(`data/${storage.key}`)?.offset ?? 0
  return {
    dtype: storage.dtype,
    shape,
    stride,
    file: file.name,
    offset: start + tensor.offset * width,
    numBytes: stridedLength(shape, stride) * width,
  }
}

function notZip(file: FileBytes): CheckpointError {
  const start = file.bytes(0, Math.min(2, file.size))
  const isPickle = start[0] === 0x80 && (start[1] ?? 0) <= 5
  return new CheckpointError(
    'CHECKPOINT_PYTORCH',
    `weights: ${file.name}: expected the zip archive of torch.save, ` +
      (isPickle
        ? 'a bare pickle came, the form from before PyTorch 1.6; load and save it with a newer one, or as safetensors.'
        : 'something else came; download or copy the file again.'),
  )
}

function notStateDict(message: string): CheckpointError {
  return new CheckpointError(
    'CHECKPOINT_PYTORCH',
    `${message}; save only the state dict of the model.`,
  )
}
