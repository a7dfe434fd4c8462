/**
 * Runs tower and projector over tiles and remembers the rows that each picture and frame gave: none of them is encoded twice
 * while the cache has room, nor a tile with pixels that were encoded before, be it a picture, a tile of one or a frame. Rows
 * are kept as the decoder takes them, so what was kept pooled does not serve whole: docs/decisions.md.
 */
import type { ProjectorConfig } from '../projector/projector.ts'
import { projector } from '../projector/projector.ts'
import { elementCount } from '../core/shape.ts'
import { inTurns } from '../core/steps.ts'
import { Graph, type Value } from '../graph/graph.ts'
import type { RowMap } from '../sequence/arrange-image-tokens.ts'
import { mergeSteps } from '../sequence/merge-rows.ts'
import type { Runtime, Session } from '../runtime/runtime.ts'
import { featureRows, visionTower, type VisionConfig } from '../vision/vision-transformer.ts'
import { BoundedMap } from './bounded-map.ts'
import { sha256 } from './content-name.ts'

/** pixelValues float32[I,3,h,w] to features float32[I,P,D]. */
export function visionGraph(vision: VisionConfig, projection: ProjectorConfig): Graph {
  const g = new Graph('vision')
  g.output('features', projector(g, projection, visionTower(g, vision, pixelInput(g, vision))))
  return g
}

/** The same in two halves, for what happens between them: features float32[I,P,Dv], then rows float32[I,T,D]. */
export function visionHalves(
  vision: VisionConfig,
  projection: ProjectorConfig,
): { readonly tower: Graph; readonly projector: Graph } {
  const tower = new Graph('tower')
  tower.output('features', visionTower(tower, vision, pixelInput(tower, vision)))
  const g = new Graph('projector')
  const features = g.input('features', 'float32', ['I', 'T', projection.inputSize])
  g.output('rows', projector(g, projection, features))
  return { tower, projector: g }
}

function pixelInput(g: Graph, { imageSize }: VisionConfig): Value {
  return g.input('pixelValues', 'float32', ['I', 3, imageSize, imageSize])
}

/** Either one session for tower and projector, or one for each half. */
export type VisionSessions = { readonly tower: Session; readonly projector: Session | null }

/** Runs a job when its turn comes, the lowest rank first: pictures are encoded between the steps of running answers. */
export type Turn = <T>(job: () => Promise<T>, rank: number) => Promise<T>

export type VisionOptions = {
  readonly signal?: AbortSignal | undefined
  /** Rows are kept for requests with an equal salt only. */
  readonly salt?: string | undefined
  /** Of the pictures that wait, those of the lowest rank are encoded first: one whole, rather than a tile of each. */
  readonly rank?: number | undefined
}

export class VisionRunner {
  readonly #runtime: Runtime
  readonly #sessions: VisionSessions
  readonly #vision: VisionConfig
  readonly #towerWidth: number
  readonly #width: number
  readonly #cacheBytes: number
  readonly #turn: Turn
  readonly #cache: BoundedMap<Float32Array>
  /** Where the rows of a tile are, by its pixels; pooled ones have names of their own. */
  readonly #places = new BoundedMap<TilePlace>(PLACE_BYTES)
  readonly #making = new Map<string, Promise<Float32Array>>()
  #wanted = 0
  #found = 0

  constructor(parts: {
    runtime: Runtime
    sessions: VisionSessions
    vision: VisionConfig
    projector: ProjectorConfig
    cacheBytes: number
    turn?: Turn
  }) {
    const { inputSize, hiddenSize, depth } = parts.projector
    this.#runtime = parts.runtime
    this.#sessions = parts.sessions
    this.#vision = parts.vision
    this.#width = depth === 0 ? inputSize : hiddenSize
    this.#towerWidth = parts.sessions.projector ? inputSize : this.#width
    this.#cacheBytes = parts.cacheBytes
    this.#cache = new BoundedMap(parts.cacheBytes)
    this.#turn = parts.turn ?? ((job) => job())
  }

  /**
   * Rows for the decoder of one picture's tiles, [I·P, D]. `hash` names the pixels; tiles go through the
   * tower one by one, since several at once gain nothing on a CPU and a run stops only between nodes.
   */
  encode(picture: Pixels, options: VisionOptions): Promise<Float32Array> {
    return this.#remembered(picture.hash, options, async (name) =>
      this.#tiles(await picture.pixelValues(options.signal), name, options),
    )
  }

  /**
   * Rows of one tile or several. Some are alike: the base and the only tile of a small square picture, the empty ends of
   * screenshots. `picture` is what their rows will be kept as.
   */
  async #tiles(pixelValues: Float32Array, picture: string, options: VisionOptions) {
    const tiles = pixelValues.length / this.#tileSize()
    const perTile = featureRows(this.#vision) * this.#width
    const rows = new Float32Array(tiles * perTile)
    for (let i = 0; i < tiles; i++) {
      const tile = pixelValues.subarray(i * this.#tileSize(), (i + 1) * this.#tileSize())
      const name = tileName(await sha256(tile), options)
      const known = this.#rowsAt(this.#places.get(name), { picture, rows, made: i })
      rows.set(known ?? (await this.#encoded(tile, options)), i * perTile)
      if (!known) this.#place(name, { picture, tile: i })
    }
    return rows
  }

  /**
   * Pooled rows of one frame, [k², D]. Where the halves are apart, `pool` works on what the tower gives, else on what
   * the projector gives; null pools nothing.
   */
  encodeFrame(frame: Pixels, pool: RowMap | null, options: VisionOptions): Promise<Float32Array> {
    if (!pool) return this.encode(frame, options)
    return this.#remembered(`${POOLED} ${frame.hash}`, options, async (picture) => {
      const tile = await frame.pixelValues(options.signal)
      const hash = await sha256(tile)
      const whole = tileName(hash, options)
      const name = tileName(`${POOLED} ${hash}`, options)
      const alike = this.#places.get(name)
      const known = alike && this.#cache.get(alike.picture)
      if (known) return known
      const features = this.#unpooled(whole) ?? (await this.#tower(tile, options))
      const width = this.#towerWidth
      const pooled = await inTurns(mergeSteps(pool, features, { width, newline: null }))
      this.#place(name, { picture, tile: 0 })
      return this.#project(pooled, options)
    })
  }

  /** What a frame's pool takes, if it is kept of a picture: not where it takes what the projector has not seen. */
  #unpooled(tile: string): Float32Array | undefined {
    const place = this.#places.get(tile)
    return this.#sessions.projector || !place ? undefined : this.#keptRows(place)
  }

  /** What `encodeFrame` gave for each of these frames, if all of it is still kept. */
  keptFrames(
    hashes: readonly string[],
    pool: RowMap | null,
    { salt = '' }: VisionOptions,
  ): Float32Array[] | null {
    const kept = hashes.flatMap((hash) => {
      const rows = this.#cache.get(`${pool ? `${POOLED} ` : ''}${hash} ${salt}`)
      return rows ? [rows] : []
    })
    if (kept.length < hashes.length) return null
    this.noteFound(kept.length)
    return kept
  }

  /** Counts pictures that somebody wanted and found with another request. */
  noteFound(pictures: number): void {
    this.#wanted += pictures
    this.#found += pictures
  }

  get stats(): VisionStats {
    return {
      bytes: this.#cache.bytes,
      budgetBytes: this.#cacheBytes,
      pictures: this.#wanted,
      cachedPictures: this.#found,
    }
  }

  dispose(): void {
    this.#cache.clear()
    this.#places.clear()
    this.#sessions.tower.dispose()
    this.#sessions.projector?.dispose()
  }

  #tileSize(): number {
    return 3 * this.#vision.imageSize ** 2
  }

  #place(name: string, place: TilePlace): void {
    this.#places.set(name, place, 2 * (name.length + place.picture.length))
  }

  /** Rows of a tile, in a picture that is kept or in the first tiles of the one that is being made. */
  #rowsAt(
    place: TilePlace | undefined,
    { picture, rows, made }: { picture: string; rows: Float32Array; made: number },
  ): Float32Array | undefined {
    if (place?.picture !== picture) return place && this.#keptRows(place)
    // Tiles may be known from a time when this picture was begun and not finished, or was kept.
    return place.tile < made ? this.#tileOf(rows, place) : undefined
  }

  #keptRows(place: TilePlace): Float32Array | undefined {
    const whole = this.#cache.get(place.picture)
    return whole && this.#tileOf(whole, place)
  }

  #tileOf(rows: Float32Array, { tile }: TilePlace): Float32Array {
    const perTile = featureRows(this.#vision) * this.#width
    return rows.subarray(tile * perTile, (tile + 1) * perTile)
  }

  async #encoded(tile: Float32Array, options: VisionOptions): Promise<Float32Array> {
    return this.#project(await this.#tower(tile, options), options)
  }

  /** What the first session gives for one tile. */
  #tower(tile: Float32Array, options: VisionOptions): Promise<Float32Array> {
    const side = this.#vision.imageSize
    return this.#run(this.#sessions.tower, options, {
      input: { name: 'pixelValues', shape: [1, 3, side, side], data: tile },
      output: { name: 'features', shape: [1, featureRows(this.#vision), this.#towerWidth] },
    })
  }

  /** Rows for the decoder, where the first session has not made them already. */
  async #project(features: Float32Array, options: VisionOptions): Promise<Float32Array> {
    const { projector: session } = this.#sessions
    if (!session) return features
    const count = features.length / this.#towerWidth
    return this.#run(session, options, {
      input: { name: 'features', shape: [1, count, this.#towerWidth], data: features },
      output: { name: 'rows', shape: [1, count, this.#width] },
    })
  }

  async #run(
    session: Session,
    { signal, rank = 0 }: VisionOptions,
    {
      input,
      output,
    }: {
      input: { name: string; shape: number[]; data: Float32Array }
      output: { name: string; shape: number[] }
    },
  ): Promise<Float32Array> {
    const data = new Float32Array(elementCount(output.shape))
    const fed = this.#runtime.tensor('float32', input.shape, input.data)
    const made = this.#runtime.tensor('float32', output.shape, data)
    try {
      const run = { signal, priority: 'decode' } as const
      const encode = () => session.run({ [input.name]: fed }, { [output.name]: made }, run)
      await this.#turn(encode, rank)
    } finally {
      fed.dispose()
      made.dispose()
    }
    return data
  }

  /** Rows that are kept, or that somebody is making already, or that are made now. */
  async #remembered(
    pixels: string,
    { salt = '', signal }: VisionOptions,
    make: (name: string) => Promise<Float32Array>,
  ): Promise<Float32Array> {
    const name = `${pixels} ${salt}`
    this.#wanted++
    for (;;) {
      const known = this.#cache.get(name)
      // Whoever is making them may be stopped; then another one who wants them goes on.
      const rows = known ?? (await this.#making.get(name)?.catch(() => null))
      signal?.throwIfAborted()
      if (rows) {
        this.#found++
        return rows
      }
      if (!this.#making.has(name)) return this.#make(name, () => make(name))
    }
  }

  async #make(name: string, make: () => Promise<Float32Array>): Promise<Float32Array> {
    const making = make()
    this.#making.set(name, making)
    try {
      const rows = await making
      this.#cache.set(name, rows, rows.byteLength)
      return rows
    } finally {
      this.#making.delete(name)
    }
  }
}

const POOLED = 'pooled'

/** By its pixels, whatever it is a part of. What kind it is comes first and the salt last, so that none makes a name of another kind. */
function tileName(hash: string, { salt = '' }: VisionOptions): string {
  return `${hash} ${salt}`
}

/** The name of the picture's rows, and which of its tiles. */
type TilePlace = { readonly picture: string; readonly tile: number }
/** Several thousand of them. */
const PLACE_BYTES = 2 << 20

/** Memory of the rows that are kept, and how many pictures and frames were wanted and found among them. */
export type VisionStats = {
  readonly bytes: number
  readonly budgetBytes: number
  readonly pictures: number
  readonly cachedPictures: number
}

/** One tile or several as the tower takes them, float32[I,3,h,w], asked for where they are not known, and their name. */
export type Pixels = {
  readonly hash: string
  pixelValues(signal?: AbortSignal): Promise<Float32Array>
}
