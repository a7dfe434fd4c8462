/** What a worker of the pool does, and how jobs, results and errors cross the border between threads. */
import * as errors from '../core/errors.ts'
import { decodeImage, type DecodedImage, type DecodeOptions } from './decode-image.ts'
import type { RgbImage } from './image.ts'
import type { ImageProcessor } from './image-processor.ts'
import { preprocessImage, type PreparedImage } from './preprocess-image.ts'
import { probeImage } from './probe-image.ts'

export type Job =
  | { readonly kind: 'read'; readonly source: Uint8Array; readonly decode: DecodeOptions }
  | {
      readonly kind: 'preprocess'
      /** A picture's file, or its pixels. */
      readonly source: Uint8Array | RgbImage
      readonly decode: DecodeOptions
      readonly processor: ImageProcessor
      readonly pictures: number
    }

export type JobResult =
  | DecodedImage
  | (PreparedImage & {
      readonly file: Pick<DecodedImage, 'format' | 'orientation' | 'isOrientationIgnored'> | null
    })

/** An error as data: what `structuredClone` would lose is its class and code. */
export type PortableError = {
  readonly name: string
  readonly code: string | undefined
  readonly message: string
  readonly stack: string | undefined
}

export type Answer =
  | { readonly id: number; readonly result: JobResult }
  | { readonly id: number; readonly error: PortableError }

/** The part of a MessagePort that is needed here, in Node.js and in browsers alike. */
export type Port = {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void
  on(event: 'message', listener: (message: { id: number; job: Job }) => void): unknown
}

export async function runJob(job: Job): Promise<JobResult> {
  if (job.kind === 'read') return decodeImage(job.source, job.decode)
  const { source, decode, processor, pictures } = job
  if (!(source instanceof Uint8Array)) {
    return { ...preprocessImage(source, processor, { pictures }), file: null }
  }
  const image = await decodeImage(source, decode)
  const { format, orientation, isOrientationIgnored } = image
  return {
    ...preprocessImage(image, processor, { pictures }),
    file: { format, orientation, isOrientationIgnored },
  }
}

/** Answers jobs from a port, one after the other as they come; `left` hears of the pixels that each leaves as garbage. */
export function serveJobs(port: Port, left: (bytes: number) => void): void {
  port.on('message', ({ id, job }) => {
    runJob(job)
      .then(
        (result) => port.postMessage({ id, result } satisfies Answer, buffersOf(result)),
        (error: unknown) => port.postMessage({ id, error: packError(error) } satisfies Answer, []),
      )
      .finally(() => left(pixelBytesOf(job)))
  })
}

/**
 * Of a picture in RGB, by its header; 0 where that says nothing, since nothing was decoded then, and of one that came as
 * pixels, which V8 knows of.
 */
function pixelBytesOf({ source }: Job): number {
  if (!(source instanceof Uint8Array)) return 0
  try {
    const { width, height } = probeImage(source)
    return 3 * width * height
  } catch {
    return 0
  }
}

/** Memory that moves with a result instead of being copied. */
function buffersOf(result: JobResult): ArrayBuffer[] {
  const arrays = 'tiles' in result ? [result.tiles.data, result.pixelValues.data] : [result.data]
  return arrays.flatMap(({ buffer, byteLength }) => {
    // A view of part of a buffer (sharp may give one) must not drag the rest along.
    const isWhole = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength
    return isWhole ? [buffer] : []
  })
}

export function packError(error: unknown): PortableError {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error))
  const code = error instanceof errors.LlavaError ? error.code : undefined
  return { name, code, message, stack }
}

/** The error again, of its class and with its code; anything that is not ours is our bug. */
export function unpackError({ name, code, message, stack }: PortableError): Error {
  const known = { ...errors } as Record<string, unknown>
  const constructor = Object.hasOwn(known, name) ? known[name] : undefined
  const error =
    code !== undefined && typeof constructor === 'function'
      ? (Reflect.construct(constructor, [code, message]) as Error)
      : new Error(`internal: a preprocessing worker failed: ${message}`)
  if (stack !== undefined) error.stack = stack
  return error
}
