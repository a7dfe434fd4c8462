/**
 * Checkpoint files on Node.js: mapped into memory where the platform can, read in pieces elsewhere, and written whole or not at all.
 *
 * Mapping goes through the C library that the process already has (mmap with PROT_READ and MAP_PRIVATE, constants equal
 * on Linux and macOS). Windows, and any failure to map, takes positioned reads behind the same interface. As with every
 * mapping, a file that another program shortens meanwhile ends the process; what is written here is renamed into place.
 */
import { constants } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import {
  closeSync,
  constants as fileConstants,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  statSync,
} from 'node:fs'
import { open, rename, rm, type FileHandle } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path'
import koffi from 'koffi'

import { isDiskFull } from '../core/disk-full.ts'
import { CapacityError, CheckpointError } from '../core/errors.ts'
import { checkRange, type FileBytes } from './file-bytes.ts'
import { hubOptionsFromEnvironment, type HubSettings } from './hub.ts'

/** Opens a file for reading. `map: false` insists on plain reads. Throws CheckpointError if there is no such file. */
export function openFileBytes(path: string, options: { map?: boolean } = {}): FileBytes {
  const fd = openForReading(path)
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) {
      throw new CheckpointError(
        'CHECKPOINT_NOT_A_FILE',
        `weights: ${path} is not a file; give the path of a checkpoint file.`,
      )
    }
    const name = basename(path)
    const base = options.map === false || stat.size === 0 ? undefined : mapFile(fd, stat.size)
    if (base === undefined) return plainBytes(fd, name, stat.size)
    closeSync(fd)
    return mappedBytes(base, name, stat.size)
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/** The names in a folder, sorted; undefined if the path is not a folder. */
export function listFolder(path: string): string[] | undefined {
  try {
    return readdirSync(path).sort()
  } catch {
    return undefined
  }
}

export function joinPath(folder: string, name: string): string {
  return join(folder, name)
}

export function absolutePath(path: string): string {
  return resolve(path)
}

/** The file or folder that a path ends at, behind links. */
export function linkedPath(path: string): string {
  return realpathSync(path)
}

/** `path` as seen from `folder` where it lies inside, else whole. */
export function pathInside(folder: string, path: string): string {
  const seen = relative(folder, path)
  return isAbsolute(seen) || /^\.\.(?:[\\/]|$)/.test(seen) ? resolve(path) : seen
}

/** Where programs keep what they can make again: the platform's cache folder of the user, ours in it. */
export function userCacheFolder(): string {
  const home = homedir()
  const base = { darwin: join(home, 'Library', 'Caches'), win32: join(home, 'AppData', 'Local') }
  return join(base[process.platform as 'darwin' | 'win32'] ?? join(home, '.cache'), 'llava-ts')
}

/** Where hashes of weight files are remembered, for whatever asks for them again. */
export function hashesFile(cacheDir: string = userCacheFolder()): string {
  return join(cacheDir, 'hashes.json')
}

/** The hub's settings as Python's huggingface_hub would take them in this process. */
export function userHubSettings(): HubSettings {
  return hubOptionsFromEnvironment({ HOME: homedir(), ...process.env })
}

export function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}

/** The last part of a path. */
export function baseName(path: string): string {
  return basename(path)
}

/** The folder that a file or folder lies in. */
export function parentFolder(path: string): string {
  return dirname(resolve(path))
}

function openForReading(path: string): number {
  try {
    // Without waiting for a writer, should it be a pipe.
    return openSync(path, fileConstants.O_RDONLY | (fileConstants.O_NONBLOCK ?? 0))
  } catch (error) {
    throw new CheckpointError(
      'CHECKPOINT_UNREADABLE',
      `weights: expected a readable file at ${path}, it cannot be opened (${reason(error)}); check the path.`,
      { cause: error },
    )
  }
}

/**
 * Views are made one by one and keep the mapping alive: it goes away when the file is closed and the last view has been
 * collected. Unmapping at `close` would turn a forgotten view into a segmentation fault.
 */
function mappedBytes(base: bigint, name: string, size: number): FileBytes {
  const mapping: Mapping = { base, size, liveViews: 0, isOpen: true }
  return {
    name,
    size,
    bytes(offset, length) {
      checkRange({ name, size, isOpen: mapping.isOpen }, offset, length)
      if (length === 0) return new Uint8Array(0)
      // Starting at a page border lets the offset within the buffer tell how the bytes are aligned.
      const start = offset - (offset % PAGE)
      checkViewLength(name, offset - start + length)
      const buffer = koffi.view(base + BigInt(start), offset - start + length)
      mapping.liveViews++
      collectedViews.register(buffer, mapping)
      return new Uint8Array(buffer, offset - start, length)
    },
    release(offset, length) {
      if (mapping.isOpen) dropPages(mapping, offset, length)
    },
    close() {
      if (!mapping.isOpen) return
      mapping.isOpen = false
      dropPages(mapping, 0, size)
      if (mapping.liveViews === 0) unmap(mapping)
    },
  }
}

type Mapping = { readonly base: bigint; readonly size: number; liveViews: number; isOpen: boolean }

const collectedViews = new FinalizationRegistry((mapping: Mapping) => {
  mapping.liveViews--
  if (mapping.liveViews === 0 && !mapping.isOpen) unmap(mapping)
})

function plainBytes(fd: number, name: string, size: number): FileBytes {
  let isOpen = true
  return {
    name,
    size,
    bytes(offset, length) {
      checkRange({ name, size, isOpen }, offset, length)
      checkViewLength(name, length)
      const target = new Uint8Array(length)
      let done = 0
      while (done < length) {
        const count = readSync(fd, target, done, Math.min(length - done, 1 << 30), offset + done)
        if (count === 0) {
          throw new CheckpointError(
            'CHECKPOINT_TRUNCATED',
            `weights: ${name} became shorter while it was read; copy it again.`,
          )
        }
        done += count
      }
      return target
    },
    release() {},
    close() {
      if (isOpen) closeSync(fd)
      isOpen = false
    },
  }
}

function checkViewLength(name: string, length: number): void {
  if (length <= constants.MAX_LENGTH) return
  throw new CapacityError(
    'CAPACITY_TENSOR_BYTES',
    `weights: a tensor of ${name} has ${length} bytes but this Node.js holds at most ${constants.MAX_LENGTH} in one array; ` +
      'use a newer Node.js or split the tensor.',
  )
}

type LibC = {
  mmap(
    address: null,
    length: number,
    protection: number,
    flags: number,
    fd: number,
    offset: number,
  ): bigint
  munmap(address: bigint, length: number): number
  madvise(address: bigint, length: number, advice: number): number
}

const PROT_READ = 1
const MAP_PRIVATE = 2
const MADV_DONTNEED = 4
const MAP_FAILED = 0xffffffffffffffffn
// The larger of the page sizes in use (Apple Silicon: 16 KiB, some ARM Linux: 64 KiB); a multiple of a page is a page border too.
const PAGE = 65536

let libc: LibC | null | undefined

function loadLibC(): LibC | null {
  if (libc !== undefined) return libc
  libc = process.platform === 'win32' ? null : bindLibC()
  return libc
}

/** Null where the symbols are absent: then files are read instead of mapped. */
function bindLibC(): LibC | null {
  try {
    const self = koffi.load(null)
    return {
      mmap: self.func(
        'void *mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset)',
      ),
      munmap: self.func('int munmap(void *address, size_t length)'),
      madvise: self.func('int madvise(void *address, size_t length, int advice)'),
    }
  } catch {
    return null
  }
}

function mapFile(fd: number, size: number): bigint | undefined {
  const base = loadLibC()?.mmap(null, size, PROT_READ, MAP_PRIVATE, fd, 0)
  return base === MAP_FAILED ? undefined : base
}

function unmap(mapping: Mapping): void {
  loadLibC()?.munmap(mapping.base, mapping.size)
}

/** Only whole pages inside the range: its edges may belong to the neighbouring tensors. */
function dropPages(mapping: Mapping, offset: number, length: number): void {
  const start = Math.ceil(offset / PAGE) * PAGE
  const isLast = offset + length >= mapping.size
  const end = isLast ? mapping.size : Math.floor((offset + length) / PAGE) * PAGE
  if (end > start) loadLibC()?.madvise(mapping.base + BigInt(start), end - start, MADV_DONTNEED)
}

/**
 * Gives the memory of an array back to the system at once, where the platform can: the collector may take its time. What
 * it held is lost, so nobody may read it any more.
 */
export function discardMemory(array: Float32Array): void {
  const libc = process.platform === 'linux' ? loadLibC() : null
  if (!libc || array.byteLength < 2 * PAGE) return
  const base: bigint = koffi.address(array)
  // The allocator's own words may lie on the first page and the last one.
  const page = BigInt(PAGE)
  const start = ((base + page - 1n) / page) * page
  const end = ((base + BigInt(array.byteLength)) / page) * page
  libc.madvise(start, Number(end - start), MADV_DONTNEED)
}

/** Adds bytes at the end of the file that is being written. */
export type Append = (bytes: Uint8Array) => Promise<void>

/**
 * Writes a file through a temporary one beside it: after `write` has returned it is flushed to the disk and renamed to
 * `path`; whatever fails before, nothing is left. Two processes may do so at once: each renames a whole file.
 * Throws CheckpointError when the disk is full or the file cannot be written; what `write` throws passes through.
 */
export async function writeFileAtomically(
  path: string,
  write: (append: Append) => Promise<void>,
): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`
  const file = await open(temporary, 'wx').catch((error: unknown) => failToWrite(path, error))
  try {
    try {
      await write((bytes) => appendAll(file, path, bytes))
      await file.sync().catch((error: unknown) => failToWrite(path, error))
    } finally {
      await file.close()
    }
    await rename(temporary, path).catch((error: unknown) => failToWrite(path, error))
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncFolder(dirname(path))
}

// Linux writes at most 2 GiB at once; smaller pieces also let other work in between.
const WRITE_BYTES = 1 << 24

async function appendAll(file: FileHandle, path: string, bytes: Uint8Array): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    const length = Math.min(WRITE_BYTES, bytes.length - done)
    const { bytesWritten } = await file
      .write(bytes, done, length)
      .catch((error: unknown) => failToWrite(path, error))
    done += bytesWritten
  }
}

/** Makes the rename survive a power cut, on platforms where a folder can be opened. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function failToWrite(path: string, cause: unknown): never {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  if (isDiskFull(code)) {
    throw new CheckpointError(
      'CHECKPOINT_DISK_FULL',
      `weights: expected room for ${path}, the disk or its quota is full (${code}); free some space, nothing half-written was left.`,
      { cause },
    )
  }
  throw new CheckpointError(
    'CHECKPOINT_UNWRITABLE',
    `weights: expected to write ${path}, it cannot be written (${reason(cause)}); check the folder and its permissions.`,
    { cause },
  )
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
