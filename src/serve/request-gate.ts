/**
 * Which requests come in: so many may wait for their prompt to be read, and of those so many pixels are on their way at a
 * time. From when a picture is decoded until its rows are in a cache, its request holds samples and rows; the others
 * wait with what they were sent.
 */
import { AbortListeners } from '../core/abort-listeners.ts'
import { CapacityError } from '../core/errors.ts'
import { probeImage } from '../preprocess/probe-image.ts'
import type { ImageSource } from './messages.ts'
import type { Prompt } from './request.ts'
import { WaitingQueue } from './waiting-queue.ts'

type Waiting = { readonly pixels: number; readonly priority: number; readonly start: () => void }

export class RequestGate {
  readonly #maxWaiting: number
  readonly #maxPixels: number
  readonly #waiting = new WaitingQueue<Waiting>(({ priority }) => priority)
  readonly #aborts = new AbortListeners()
  /** Requests that came and whose prompt is not read. */
  #unread = 0
  #pixels = 0
  #refused = 0

  constructor({ maxWaiting, maxPixels }: { maxWaiting: number; maxPixels: number }) {
    this.#maxWaiting = maxWaiting
    this.#maxPixels = maxPixels
  }

  /** Requests that found too many before them. */
  get refused(): number {
    return this.#refused
  }

  /**
   * Waits until there is room for `pixels` and gives the function that frees it: to be called when the prompt is read.
   * What is more than all the room is let in alone; without pixels nobody waits. What `first` waits for is had before the
   * room is. Throws CapacityError if too many wait, and the signal's reason if it is aborted first.
   */
  async enter(
    pixels: number,
    { priority, signal }: { readonly priority: number; readonly signal?: AbortSignal | undefined },
    first?: () => Promise<void>,
  ): Promise<() => void> {
    signal?.throwIfAborted()
    if (this.#unread >= this.#maxWaiting) throw this.#refuse()
    this.#unread++
    try {
      await first?.()
      if (pixels > 0) await this.#wait(pixels, priority, signal)
    } catch (error) {
      this.#unread--
      throw error
    }
    let isInside = true
    return () => {
      if (!isInside) return
      isInside = false
      this.#unread--
      this.#pixels -= pixels
      this.#letIn()
    }
  }

  #wait(pixels: number, priority: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.remove(entry)
        reject(signal?.reason)
        this.#letIn()
      }
      const forget = signal && this.#aborts.add(signal, leave)
      const start = () => {
        forget?.()
        resolve()
      }
      const entry = { pixels, priority, start }
      this.#waiting.add(entry)
      this.#letIn()
    })
  }

  #letIn(): void {
    for (;;) {
      const next = this.#waiting.first
      if (!next || (this.#pixels > 0 && this.#pixels + next.pixels > this.#maxPixels)) return
      this.#waiting.remove(next)
      this.#pixels += next.pixels
      next.start()
    }
  }

  #refuse(): CapacityError {
    this.#refused++
    return new CapacityError(
      'CAPACITY_QUEUE',
      `generate: ${this.#unread} requests wait, as many as may (maxWaiting); ask again later.`,
    )
  }
}

/** What a picture is taken for whose header is not at hand, and a clip, whose frames come one after another. */
const ASSUMED_PIXELS = 12e6

/** Pixels of a prompt, as its pictures' headers say. */
export function countPixels({ images, videos }: Prompt): number {
  const ofImages = images.reduce<number>((sum, image) => sum + pixelsOf(image), 0)
  return ofImages + videos.length * ASSUMED_PIXELS
}

function pixelsOf(image: ImageSource): number {
  if (image instanceof Uint8Array) {
    try {
      const { width, height } = probeImage(image)
      return width * height
    } catch {
      // Whoever reads it says what is wrong with it.
      return ASSUMED_PIXELS
    }
  }
  const isPixels = typeof image === 'object' && 'width' in image && 'height' in image
  return isPixels ? image.width * image.height : ASSUMED_PIXELS
}
