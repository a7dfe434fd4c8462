/**
 * Pictures in Node.js: files, and a small pool of worker threads that decodes and resizes off the event loop.
 *
 * This module is also what its own workers run (see the end): the only file of the room that knows `node:` modules.
 */
import { readFileSync, statSync, type Stats } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { InputError } from '../core/errors.ts'
import { collectPixels } from './collect-pixels-node.ts'
import {
  decodeImage,
  DECODE_KINDS,
  warmDecoder,
  type DecodedImage,
  type DecodeOptions,
} from './decode-image.ts'
import { checkOptionKinds } from '../core/check-options.ts'
import { COUNT, LIMIT, SIGNAL, type EveryOptionKind } from '../core/option-kinds.ts'
import { pathOfUrl } from './file-path-node.ts'
import type { ImageSize } from './image.ts'
import {
  checkFileSize,
  decodeDataUrl,
  isPixels,
  pixelsToRgb,
  remoteError,
  schemeOf,
  type ImageFile,
  type ImagePixels,
} from './image-source.ts'
import { checkProcessor, type ImageProcessor } from './image-processor.ts'
import { turnedSize } from './orient-image.ts'
import type { PreparedImage } from './preprocess-image.ts'
import { checkWhole, probeImage, type ImageFormat, type Orientation } from './probe-image.ts'
import { runJob, serveJobs, type Job, type JobResult } from './worker-jobs.ts'
import { WorkerPool } from './worker-pool.ts'

export type ReadOptions = DecodeOptions & {
  /** Larger files are refused unread; default 256 MiB. */
  readonly maxBytes?: number
}

const MAX_BYTES = 2 ** 28

const READ_KINDS: EveryOptionKind<ReadOptions> = { ...DECODE_KINDS, maxBytes: LIMIT }

/**
 * A picture as RGB, byte for byte as Pillow's `Image.open(file).convert('RGB')`; an orientation is applied on request. Of a
 * film in a picture's format (GIF, WebP, AVIF) it is the first frame.
 *
 * Throws InputError INPUT_IMAGE_TOO_LARGE by the header alone, INPUT_IMAGE_MISSING for a path without a file,
 * INPUT_IMAGE_UNREADABLE for anything that is not a whole picture of a known format.
 */
export async function readImage(
  source: ImageFile,
  options: ReadOptions = {},
): Promise<DecodedImage> {
  checkOptionKinds('readImage', options, READ_KINDS)
  const { maxBytes = MAX_BYTES, ...decode } = options
  return decodeImage(await readBytes(source, maxBytes), decode)
}

type SizeOptions = Pick<ReadOptions, 'autoOrient' | 'maxBytes'>

const { autoOrient, maxBytes } = READ_KINDS
const SIZE_KINDS: EveryOptionKind<SizeOptions> = { autoOrient, maxBytes }

/**
 * The size a picture will have, by its header alone: what token counts need.
 *
 * Reads files while the caller waits. Throws as `readImage` does, and INPUT_IMAGE_SOURCE for a Blob.
 */
export function imageSizeOf(source: ImageFile | ImagePixels, options: SizeOptions = {}): ImageSize {
  checkOptionKinds('imageSizeOf', options, SIZE_KINDS)
  const { autoOrient = false, maxBytes = MAX_BYTES } = options
  if (isPixels(source)) return { width: source.width, height: source.height }
  if (source instanceof Blob) {
    throw new InputError(
      'INPUT_IMAGE_SOURCE',
      'imageSizeOf: expected a path, a URL or bytes, a Blob came; await its arrayBuffer() first.',
    )
  }
  const bytes = readNow(source, maxBytes)
  const header = probeImage(bytes)
  checkWhole(header, bytes.length)
  return turnedSize(header, autoOrient)
}

function readNow(source: Exclude<ImageFile, Blob>, maxBytes: number): Uint8Array {
  const place = locate(source, maxBytes)
  if (typeof place !== 'string') return place
  try {
    checkFile(place, statSync(place), maxBytes)
    return readFileSync(place)
  } catch (error) {
    throw missingError(place, error)
  }
}

export type PreprocessorOptions = ReadOptions & {
  /** Worker threads; default: the machine's, at most 2. Pictures themselves are decoded on one thread each. */
  readonly workers?: number
}

export type PreprocessOptions = {
  /** Pictures in the same prompt; default 1. */
  readonly pictures?: number
  readonly signal?: AbortSignal | undefined
}

const PREPROCESSOR_KINDS: EveryOptionKind<PreprocessorOptions> = { ...READ_KINDS, workers: COUNT }
const PREPROCESS_KINDS: EveryOptionKind<PreprocessOptions> = { pictures: COUNT, signal: SIGNAL }

/** Tiles and pixel values of a picture, and what is known about its file (null where it came as pixels). */
export type PreprocessedImage = PreparedImage & {
  readonly file: {
    readonly format: ImageFormat
    readonly orientation: Orientation
    readonly isOrientationIgnored: boolean
  } | null
}

export type Preprocessor = {
  /** Reads and prepares a picture off the event loop; tiny ones are done at once. Rejects as `readImage` does. */
  preprocess(
    image: ImageFile | ImagePixels,
    processor: ImageProcessor,
    options?: PreprocessOptions,
  ): Promise<PreprocessedImage>
  read(
    image: ImageFile,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<DecodedImage>
  /** Starts a worker now, for a picture that is likely to come. */
  warm(): void
  /** Stops the workers; what still runs is rejected. */
  dispose(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Workers start with the first picture that needs one and never keep the process alive while idle.
 *
 * An aborted call rejects at once with the signal's reason; its worker finishes the picture and drops it.
 */
export function createPreprocessor(options: PreprocessorOptions = {}): Preprocessor {
  checkOptionKinds('createPreprocessor', options, PREPROCESSOR_KINDS)
  const { workers = Math.min(2, availableParallelism()), maxBytes = MAX_BYTES, ...decode } = options
  const pool = new WorkerPool(workers, startWorker)
  const run = async (job: Job, signal: AbortSignal | undefined): Promise<JobResult> => {
    signal?.throwIfAborted()
    return isTiny(job) ? runJob(job) : pool.run(job, signal)
  }
  return {
    async preprocess(image, processor, options = {}) {
      checkProcessor('preprocessor.preprocess', processor)
      checkOptionKinds('preprocessor.preprocess', options, PREPROCESS_KINDS)
      const { pictures = 1, signal } = options
      const source = isPixels(image) ? pixelsToRgb(image) : await readBytes(image, maxBytes)
      const result = await run({ kind: 'preprocess', source, decode, processor, pictures }, signal)
      return result as PreprocessedImage
    },
    async read(image, options = {}) {
      checkOptionKinds('preprocessor.read', options, { signal: SIGNAL })
      const { signal } = options
      const source = await readBytes(image, maxBytes)
      return (await run({ kind: 'read', source, decode }, signal)) as DecodedImage
    },
    warm: () => pool.warm(),
    dispose: () => pool.dispose(),
    [Symbol.asyncDispose]: () => pool.dispose(),
  }
}

/** Below this a message to a worker costs more than the work. */
const TINY_PIXELS = 128 * 128
const TINY_TILES = 4

/** Whether a picture takes a few milliseconds on this thread. A header that cannot be read fails here as anywhere. */
function isTiny(job: Job): boolean {
  const { width, height } = job.source instanceof Uint8Array ? probeImage(job.source) : job.source
  if (width * height > TINY_PIXELS) return false
  if (job.kind === 'read') return true
  const { tiling } = job.processor
  return (
    tiling.kind === 'none' || (tiling.kind === 'anyres' && tiling.pinpoints.length <= TINY_TILES)
  )
}

/** The bytes of a picture's file. Rejects as `readImage` does. */
export function readImageFile(source: ImageFile): Promise<Uint8Array> {
  return readBytes(source, MAX_BYTES)
}

async function readBytes(source: ImageFile, maxBytes: number): Promise<Uint8Array> {
  if (source instanceof Blob) {
    checkFileSize(source.size, maxBytes)
    return new Uint8Array(await source.arrayBuffer())
  }
  const place = locate(source, maxBytes)
  if (typeof place !== 'string') return place
  try {
    checkFile(place, await stat(place), maxBytes)
    return await readFile(place)
  } catch (error) {
    throw missingError(place, error)
  }
}

/** A pipe without a writer never ends, a device perhaps neither. */
function checkFile(path: string, info: Stats, maxBytes: number): void {
  if (info.isFile()) return checkFileSize(info.size, maxBytes)
  throw new InputError(
    'INPUT_IMAGE_MISSING',
    `readImage: expected a picture at ${path}, it is no file; check the path.`,
  )
}

/** A file's path, or bytes that need no file. */
function locate(source: Exclude<ImageFile, Blob>, maxBytes: number): string | Uint8Array {
  if (source instanceof Uint8Array) {
    checkFileSize(source.length, maxBytes)
    return source
  }
  if (typeof source !== 'string' && !(source instanceof URL)) {
    throw new InputError(
      'INPUT_IMAGE_SOURCE',
      `readImage: expected a path, a file: or data: URL, a Uint8Array or a Blob, came ${typeof source}.`,
    )
  }
  const scheme = schemeOf(source)
  if (scheme === undefined) return String(source)
  if (scheme === 'data') return decodeDataUrl(String(source), maxBytes)
  if (scheme === 'file') return pathOfUrl('readImage', source)
  throw remoteError(scheme)
}

function missingError(path: string, error: unknown): InputError {
  if (error instanceof InputError) return error
  const { code } = error as NodeJS.ErrnoException
  return new InputError(
    'INPUT_IMAGE_MISSING',
    `readImage: expected a picture at ${path}, it cannot be opened (${code}); check the path.`,
    { cause: error },
  )
}

const WORKER_MARK = 'llava-ts/preprocess'

function startWorker(): Worker {
  // Flags of the process (--input-type, say) are meant for its own entry point.
  return new Worker(new URL(import.meta.url), { workerData: { room: WORKER_MARK }, execArgv: [] })
}

if (!isMainThread && parentPort !== null && workerData?.room === WORKER_MARK) {
  serveJobs(parentPort, collectPixels())
  warmDecoder()
}
