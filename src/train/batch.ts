/**
 * A micro-batch as one row of positions: samples follow one another without padding, and each attends to itself.
 *
 * What is predicted and by how much it counts is decided here; see `loss-weights.ts` for the normalisations.
 */
import { InputError } from '../core/errors.ts'
import type { ModelConfig } from '../families/family.ts'
import type { ImageSize } from '../preprocess/image.ts'
import { ImageRows, type BatchImages } from './image-rows.ts'
import { LazyPixels } from './lazy-pixels.ts'
import { IGNORE_INDEX, type PixelTensor, type Sample } from './sample.ts'

export type Batch = {
  /** T */
  readonly length: number
  /** int64[T]; places of pictures hold 0. */
  readonly ids: BigInt64Array
  /** int64[T], restarting with each sequence. */
  readonly positions: BigInt64Array
  /** Lengths of the sequences, in order; their sum is T. */
  readonly segments: readonly number[]
  /** Positions whose next token is learnt, that token, and the sample it belongs to. */
  readonly targets: {
    readonly rows: Int32Array
    readonly labels: BigInt64Array
    readonly samples: Int32Array
  }
  readonly images: BatchImages | null
}

/** Throws InputError for samples that do not fit the model, naming the sample. */
export function buildBatch(samples: readonly Sample[], config: ModelConfig): Batch {
  samples.forEach((sample, index) => checkFields(sample, `sample ${index}`))
  const length = samples.reduce((sum, { inputIds }) => sum + inputIds.length, 0)
  const batch = {
    ids: new BigInt64Array(length),
    positions: new BigInt64Array(length),
    segments: [] as number[],
  }
  const targets = { rows: [] as number[], labels: [] as bigint[], samples: [] as number[] }
  const images = new ImageRows(config)
  const placeholders = new Set([config.image?.placeholder, config.video?.placeholder])
  let start = 0
  samples.forEach((sample, index) => {
    const where = `sample ${index}`
    checkSample(sample, { config, placeholders, where })
    const sequences = sequencesOf(sample, where)
    images.add(sample, { sequences, start, where })
    for (const [from, to] of sequences) {
      checkLength(to - from, config.maxContext, where)
      batch.segments.push(to - from)
      for (let i = from; i < to; i++) {
        const id = sample.inputIds[i] as number
        batch.ids[start + i] = BigInt(placeholders.has(id) ? 0 : id)
        batch.positions[start + i] = BigInt(i - from)
        // The first token of a sequence is predicted by nobody.
        const label = i === from ? IGNORE_INDEX : (sample.labels[i] as number)
        if (label === IGNORE_INDEX) continue
        targets.rows.push(start + i - 1)
        targets.labels.push(BigInt(label))
        targets.samples.push(index)
      }
    }
    start += sample.inputIds.length
  })
  return {
    length,
    ...batch,
    targets: {
      rows: Int32Array.from(targets.rows),
      labels: BigInt64Array.from(targets.labels),
      samples: Int32Array.from(targets.samples),
    },
    images: images.finish(),
  }
}

/** Positions [from, to) of each sequence that is packed in the sample. */
function sequencesOf({ inputIds, segments }: Sample, where: string): [number, number][] {
  if (!segments) return [[0, inputIds.length]]
  if (segments.length !== inputIds.length) {
    throw wrongSample(where, `segments has ${segments.length} entries`, inputIds.length)
  }
  const sequences: [number, number][] = []
  const seen = new Set<number>()
  for (let i = 0, from = 0; i < segments.length; i++) {
    const isLast = segments[i] !== segments[i + 1]
    if (!isLast) continue
    if (seen.has(segments[i] as number)) {
      throw new InputError(
        'INPUT_SEGMENTS',
        `${where}: the positions of a sequence should follow one another, segment ${segments[i]} comes twice.`,
      )
    }
    seen.add(segments[i] as number)
    sequences.push([from, i + 1])
    from = i + 1
  }
  return sequences
}

function checkFields(sample: Partial<Sample> | null, where: string): void {
  const isList = (value: unknown) =>
    typeof (value as Sample['labels'] | undefined)?.length === 'number'
  if (isList(sample?.inputIds) && isList(sample?.labels)) return checkMedia(sample as Sample, where)
  const came =
    sample === null || typeof sample !== 'object'
      ? String(sample)
      : `{ ${Object.keys(sample).join(', ')} }`
  throw new InputError(
    'INPUT_SAMPLE',
    `${where}: expected { inputIds, labels }, ${came} came; give a token and a label for each position.`,
  )
}

/** What no field of a sample may be, before anything reads it. */
function checkMedia(sample: Sample, where: string): void {
  const unknown = Object.keys(sample).filter((name) => !FIELDS.includes(name))
  if (unknown.length > 0) {
    throw wrongField(where, `no ${unknown.join(', ')}: fields are ${FIELDS.join(', ')}`)
  }
  const { pixelValues, imageSizes, videos } = sample
  if (pixelValues !== undefined && !isPixels(pixelValues)) {
    throw wrongField(`${where}.pixelValues`, PIXELS)
  }
  if (imageSizes !== undefined && !isListOf(imageSizes, isSize)) {
    throw wrongField(`${where}.imageSizes`, 'a list of { height, width }')
  }
  if (videos !== undefined && !isListOf(videos, isPixels)) {
    throw wrongField(`${where}.videos`, `a list, each entry ${PIXELS}`)
  }
}

const FIELDS: readonly string[] = [
  'inputIds',
  'labels',
  'pixelValues',
  'imageSizes',
  'videos',
  'segments',
  'says',
] satisfies (keyof Sample)[]

const PIXELS = '{ data: a Float32Array, shape: [tiles, channels, height, width] }'

function isListOf(value: unknown, is: (entry: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(is)
}

function isPixels(value: unknown): boolean {
  // Lazy ones have no data before they are loaded.
  if (value instanceof LazyPixels) return true
  const { data, shape } = (value ?? {}) as Partial<PixelTensor>
  return data instanceof Float32Array && isListOf(shape, Number.isSafeInteger)
}

function isSize(value: unknown): boolean {
  const { height, width } = (value ?? {}) as Partial<ImageSize>
  return Number.isFinite(height) && Number.isFinite(width)
}

function wrongField(where: string, expected: string): InputError {
  return new InputError('INPUT_SAMPLE', `${where}: expected ${expected}; something else came.`)
}

function checkSample(
  { inputIds, labels }: Sample,
  {
    config,
    placeholders,
    where,
  }: {
    readonly config: ModelConfig
    readonly placeholders: ReadonlySet<number | undefined>
    readonly where: string
  },
): void {
  if (inputIds.length === 0) throw new InputError('INPUT_EMPTY', `${where}: inputIds is empty.`)
  if (labels.length !== inputIds.length) {
    throw wrongSample(where, `labels has ${labels.length} entries`, inputIds.length)
  }
  const { vocabSize } = config.decoder
  const isToken = (id: number) => Number.isInteger(id) && id >= 0 && id < vocabSize
  for (let i = 0; i < inputIds.length; i++) {
    const [id, label] = [inputIds[i] as number, labels[i] as number]
    if (!isToken(id) && !placeholders.has(id)) {
      throw outside(where, 'inputIds', i, id, vocabSize)
    }
    if (!isToken(label) && label !== IGNORE_INDEX)
      throw outside(where, 'labels', i, label, vocabSize)
  }
}

function checkLength(length: number, maxContext: number, where: string): void {
  if (length <= maxContext) return
  throw new InputError(
    'INPUT_TOO_LONG',
    `${where}: a sequence of ${length} positions is longer than the ${maxContext} that the model takes; shorten its text, pictures are never cut.`,
  )
}

function wrongSample(where: string, what: string, length: number): InputError {
  return new InputError(
    'INPUT_SAMPLE_LENGTH',
    `${where}: ${what} and inputIds ${length}; give one for each position.`,
  )
}

function outside(where: string, field: string, at: number, value: number, vocabSize: number) {
  return new InputError(
    'INPUT_TOKEN',
    `${where}: ${field}[${at}] is ${value}, which is no token of 0 to ${vocabSize - 1}.`,
  )
}
