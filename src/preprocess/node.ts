/**
 * Pictures in Node.js: files, and a small pool of worker threads that decodes and resizes off the event loop.
 *
 * This module is also what its own workers run (see the end): the only file of the room that knows `node:` modules.
 */
import { readFile, stat } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { InputError } from '../core/errors.ts'
import {
  decodeImage,
  DECODE_OPTIONS,
  type DecodedImage,
  type DecodeOptions,
} from './decode-image.ts'
import { checkOptions, type RgbImage } from './image.ts'
import type { ImageProcessor } from './image-processor.ts'
import type { PreparedImage } from './preprocess-image.ts'
import { probeImage, type ImageFormat, type Orientation } from './probe-image.ts'
import { runJob, serveJobs, type Job, type JobResult } from './worker-jobs.ts'
import { WorkerPool } from './worker-pool.ts'

/** A picture's file: its path, a `file:` URL, its bytes, or a Blob. */
export type ImageSource = string | URL | Uint8Array | Blob

export type ReadOptions = DecodeOptions & {
  /** Larger files are refused unread; default 256 MiB. */
  readonly maxBytes?: number
}

const MAX_BYTES = 2 ** 28

/**
 * A picture as RGB, byte for byte as Pillow's `Image.open(file).convert('RGB')`; Exif orientation is applied on request.
 *
 * Throws InputError INPUT_IMAGE_TOO_LARGE by the header alone, INPUT_IMAGE_MISSING for a path without a file,
 * INPUT_IMAGE_UNREADABLE for anything that is not a whole picture of a known format.
 */
export async function readImage(
  source: ImageSource,
  options: ReadOptions = {},
): Promise<DecodedImage> {
  checkOptions('readImage', options, [...DECODE_OPTIONS, 'maxBytes'])
  const { maxBytes = MAX_BYTES, ...decode } = options
  return decodeImage(await readBytes(source, maxBytes), decode)
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
    image: ImageSource | RgbImage,
    processor: ImageProcessor,
    options?: PreprocessOptions,
  ): Promise<PreprocessedImage>
  read(
    image: ImageSource,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<DecodedImage>
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
  checkOptions('createPreprocessor', options, [...DECODE_OPTIONS, 'maxBytes', 'workers'])
  const { workers = Math.min(2, availableParallelism()), maxBytes = MAX_BYTES, ...decode } = options
  const pool = new WorkerPool(workers, startWorker)
  const run = async (job: Job, signal: AbortSignal | undefined): Promise<JobResult> => {
    signal?.throwIfAborted()
    return isTiny(job) ? runJob(job) : pool.run(job, signal)
  }
  return {
    async preprocess(image, processor, { pictures = 1, signal } = {}) {
      const source = isPixels(image) ? image : await readBytes(image, maxBytes)
      const result = await run({ kind: 'preprocess', source, decode, processor, pictures }, signal)
      return result as PreprocessedImage
    },
    async read(image, { signal } = {}) {
      const source = await readBytes(image, maxBytes)
      return (await run({ kind: 'read', source, decode }, signal)) as DecodedImage
    },
    dispose: () => pool.dispose(),
    [Symbol.asyncDispose]: () => pool.dispose(),
  }
}

function isPixels(image: ImageSource | RgbImage): image is RgbImage {
  return typeof image === 'object' && 'data' in image && 'channels' in image
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

async function readBytes(source: ImageSource, maxBytes: number): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return checkBytes(source, source.length, maxBytes)
  if (source instanceof Blob) {
    checkBytes(source, source.size, maxBytes)
    return new Uint8Array(await source.arrayBuffer())
  }
  if (typeof source !== 'string' && !(source instanceof URL)) {
    throw new InputError(
      'INPUT_IMAGE_SOURCE',
      `readImage: expected a path, a file: URL, a Uint8Array or a Blob, came ${typeof source}.`,
    )
  }
  const path = toPath(source)
  try {
    checkBytes(path, (await stat(path)).size, maxBytes)
    return await readFile(path)
  } catch (error) {
    if (error instanceof InputError) throw error
    const code = (error as NodeJS.ErrnoException).code
    throw new InputError(
      'INPUT_IMAGE_MISSING',
      `readImage: expected a picture at ${path}, it cannot be opened (${code}); check the path.`,
      { cause: error },
    )
  }
}

function toPath(source: string | URL): string {
  if (typeof source === 'string') return source
  if (source.protocol === 'file:') return fileURLToPath(source)
  throw new InputError(
    'INPUT_IMAGE_SOURCE',
    `readImage: expected a file: URL, came ${source.protocol}; download the picture first.`,
  )
}

function checkBytes<T>(source: T, bytes: number, maxBytes: number): T {
  if (bytes <= maxBytes) return source
  throw new InputError(
    'INPUT_IMAGE_TOO_LARGE',
    `readImage: expected a file of at most ${maxBytes} bytes, it has ${bytes}; make it smaller or raise maxBytes.`,
  )
}

const WORKER_MARK = 'llava-ts/preprocess'

function startWorker(): Worker {
  return new Worker(new URL(import.meta.url), { workerData: { room: WORKER_MARK } })
}

if (!isMainThread && parentPort !== null && workerData?.room === WORKER_MARK) serveJobs(parentPort)
