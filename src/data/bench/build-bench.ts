/**
 * A benchmark like LLaVA-Bench (Wilder) out of a folder of user requests with pictures.
 *
 *   requests ─ broken and duplicate ones dropped ─ training pictures dropped ─ vectors ─ weighted k-means ─ one a cluster
 *     ─ reference answers ─▶ bench.jsonl, images/, review.jsonl, report.json
 *
 * Who embeds and who answers is handed in: nothing here runs a model. Everything that takes long is kept in the folder as it comes
 * (prints, embeddings, references), so that the same call goes on where the last one ended, and a picture that was changed under its
 * name is embedded and answered again; the same seed and the same requests give the same benchmark. `review.jsonl` is for people: what they mark `"accept": false` is left out and what they rewrite is taken, when
 * the same call is made again.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { InputError } from '../../core/errors.ts'
import { makeFolderSync } from '../../core/make-folder-node.ts'
import { writeFileWhole } from '../../core/write-file-whole-node.ts'
import { findContamination, type Contamination } from '../contamination.ts'
import type { Dataset, DatasetProgress } from '../dataset.ts'
import { PrintStore } from '../print-store.ts'
import {
  chooseRequests,
  dropDuplicates,
  dropOverlapping,
  type PrintedRequest,
} from './choose-requests.ts'
import { KeptLines } from '../kept-lines.ts'
import { readRequests, type BenchRequest, type DroppedRequest } from './read-requests.ts'
import { printVector, requestVectors } from './request-vectors.ts'
import { writeBench, type Entry } from './write-bench.ts'

export type BenchEmbedder = {
  /** Model and what of it: in the report, and what kept embeddings belong to. */
  readonly identity: string
  embed(picture: string): Promise<Float32Array>
}

export type BenchAnswerer = {
  readonly identity: string
  answer(request: BenchRequest): Promise<string>
}

export type BuildBenchOptions = {
  readonly folder: string
  readonly out: string
  /** How many questions, at most. */
  readonly size: number
  readonly seed: number
  /** Without one, pictures are compared by colours and frequencies. */
  readonly embedder?: BenchEmbedder | undefined
  /** Without one, references are left to people. */
  readonly answerer?: BenchAnswerer | undefined
  /** Training data whose pictures are left out. */
  readonly mixture?: Dataset | undefined
  readonly onProgress?: (state: DatasetProgress) => void
  readonly signal?: AbortSignal | undefined
}

export type BenchReport = {
  readonly seed: number
  readonly size: number
  readonly embeddings: { readonly pictures: string; readonly texts: string }
  readonly references: { readonly by: string | null; readonly missing: number }
  /** Questions that nobody would answer, and why: they are asked again by the same call, or left to people. */
  readonly unanswered: readonly DroppedRequest[]
  /** Requests that were left at each step. */
  readonly steps: {
    readonly read: number
    readonly usable: number
    readonly distinct: number
    readonly decontaminated: number
    readonly chosen: number
    readonly accepted: number
  }
  readonly contamination: Omit<Contamination, 'overlaps'> | null
  readonly dropped: readonly (DroppedRequest & { readonly step: string })[]
}

const BASELINE = 'colours and frequencies (no model)'
const TEXTS = 'TF-IDF over hashed words (no model)'

/** Throws InputError for a folder without requests, and for an output folder of another build. */
export async function buildBench(options: BuildBenchOptions): Promise<BenchReport> {
  const { folder, out, size, seed, mixture } = options
  const read = readRequests(folder, out)
  makeFolderSync(out)
  guard(options, read.requests)
  const prints = new PrintStore(join(out, 'work', 'prints.jsonl'))
  const printed = await printAll(read.requests, prints, options)
  const distinct = dropDuplicates(printed.kept)
  const found = mixture ? await compareWith(mixture, distinct.kept, prints, options) : null
  const clean = found
    ? dropOverlapping(distinct.kept, found.overlaps)
    : { ...distinct, dropped: [] }
  const vectors = await embedAll(clean.kept, options)
  const picked = chooseRequests(clean.kept, vectors, { size, seed })
  const { entries, unanswered } = await referenceAll(
    picked.chosen.map(({ index, size: alike }) => ({
      ...(clean.kept[index] as PrintedRequest),
      alike,
    })),
    options,
  )
  const accepted = writeBench(out, entries)
  const steps = {
    read: read.requests.length + read.dropped.length,
    usable: printed.kept.length,
    distinct: distinct.kept.length,
    decontaminated: clean.kept.length,
    chosen: entries.length,
    accepted: accepted.length,
  }
  const report: BenchReport = {
    seed,
    size,
    embeddings: { pictures: options.embedder?.identity ?? BASELINE, texts: TEXTS },
    references: {
      by: options.answerer?.identity ?? null,
      missing: accepted.filter(({ reference }) => reference === '').length,
    },
    unanswered,
    steps,
    contamination: found && withoutOverlaps(found),
    dropped: [
      ...named('read', [...read.dropped, ...printed.dropped]),
      ...named('duplicate', distinct.dropped),
      ...named('training data', clean.dropped),
      ...named('alike', picked.dropped),
    ],
  }
  writeFileWhole(join(out, 'report.json'), `${JSON.stringify(report, null, 2)}\n`)
  return report
}

function named(step: string, dropped: readonly DroppedRequest[]) {
  return dropped.map((one) => ({ step, ...one }))
}

function withoutOverlaps({ overlaps: _overlaps, ...rest }: Contamination) {
  return rest
}

/** A folder belongs to one set of requests, size, seed and embedder. */
function guard(
  { out, size, seed, embedder, mixture }: BuildBenchOptions,
  requests: readonly BenchRequest[],
): void {
  const build = JSON.stringify({
    requests: createHash('sha256').update(JSON.stringify(requests)).digest('hex'),
    size,
    seed,
    embeddings: embedder?.identity ?? BASELINE,
    mixture: mixture?.sha256 ?? null,
  })
  const path = join(out, 'work', 'build.json')
  if (!existsSync(path)) {
    writeFileWhole(path, build)
    return
  }
  if (readFileSync(path, 'utf8') === build) return
  throw new InputError(
    'INPUT_OUT_OTHER_RUN',
    `data build-bench: ${out} should be of this build, it was begun with other requests, size, seed, embeddings or training data; name another --out.`,
  )
}

type Options = Pick<BuildBenchOptions, 'onProgress' | 'signal'>

async function printAll(
  requests: readonly BenchRequest[],
  store: PrintStore,
  { onProgress, signal }: Options,
) {
  const kept: PrintedRequest[] = []
  const dropped: DroppedRequest[] = []
  for (const [i, request] of requests.entries()) {
    signal?.throwIfAborted()
    const prints = await Promise.all(request.images.map((image) => store.print(image)))
    const whole = prints.filter((print) => print !== null)
    if (whole.length === prints.length) kept.push({ request, prints: whole })
    else dropped.push({ id: request.id, reason: 'a picture cannot be decoded' })
    onProgress?.({ stage: 'pictures', done: i + 1, total: requests.length, item: request.id })
  }
  return { kept, dropped }
}

function compareWith(
  mixture: Dataset,
  requests: readonly PrintedRequest[],
  prints: PrintStore,
  { onProgress, signal }: Options,
): Promise<Contamination> {
  const items = requests.map(({ request: { id, text, images } }) => ({
    id,
    text,
    pictures: async () => images,
  }))
  return findContamination(items, mixture, {
    prints,
    ...(onProgress ? { onProgress } : {}),
    signal,
  })
}

async function embedAll(
  requests: readonly PrintedRequest[],
  { out, embedder, onProgress, signal }: BuildBenchOptions,
): Promise<Float32Array[]> {
  const kept = new KeptLines<string>(join(out, 'work', 'embeddings.jsonl'))
  const pictures: Float32Array[] = []
  for (const [i, { request, prints }] of requests.entries()) {
    signal?.throwIfAborted()
    const own = embedder
      ? await Promise.all(
          request.images.map(async (image, k) => {
            const text = await kept.get(`${embedder.identity}|${prints[k]?.sha256}`, async () =>
              encode(await embedder.embed(image)),
            )
            return decode(text)
          }),
        )
      : prints.map(printVector)
    pictures.push(meanVector(own))
    onProgress?.({ stage: 'embed', done: i + 1, total: requests.length, item: request.id })
  }
  return requestVectors(
    pictures,
    requests.map(({ request }) => request.text),
  )
}

function meanVector(vectors: readonly Float32Array[]): Float32Array {
  const [first] = vectors
  if (!first) throw new Error('internal: a request without pictures was embedded')
  return first.map(
    (_, d) => vectors.reduce((sum, one) => sum + (one[d] as number), 0) / vectors.length,
  )
}

function encode({ buffer, byteOffset, byteLength }: Float32Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64')
}

function decode(text: string): Float32Array {
  return new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer)
}

/** Those that came with an answer keep it. Throws what answering throws where not one is answered. */
async function referenceAll(
  chosen: readonly (PrintedRequest & { readonly alike: number })[],
  { out, answerer, onProgress, signal }: BuildBenchOptions,
): Promise<{ readonly entries: Entry[]; readonly unanswered: DroppedRequest[] }> {
  const kept = new KeptLines<string>(join(out, 'work', 'references.jsonl'))
  const faults: { readonly id: string; readonly error: unknown }[] = []
  let answered = 0
  const refer = async ({ request, prints }: PrintedRequest): Promise<string> => {
    if (request.answer !== null) return request.answer
    if (!answerer) return ''
    try {
      const pictures = prints.map(({ sha256 }) => sha256).join(' ')
      const key = `${answerer.identity}|${request.id}|${pictures}`
      const reference = await kept.get(key, () => answerer.answer(request))
      answered++
      return reference
    } catch (error) {
      signal?.throwIfAborted()
      faults.push({ id: request.id, error })
      return ''
    }
  }
  const entries: Entry[] = []
  for (let start = 0; start < chosen.length; start += TOGETHER) {
    signal?.throwIfAborted()
    const block = chosen.slice(start, start + TOGETHER)
    const references = await Promise.all(block.map(refer))
    // A whole block without an answer is nobody there, and no question that is refused.
    if (faults.length > 0 && answered === 0) throw faults[0]?.error
    entries.push(...block.map((one, i) => ({ ...one, reference: references[i] ?? '' })))
    onProgress?.({ stage: 'references', done: entries.length, total: chosen.length, item: '' })
  }
  const unanswered = faults.map(({ id, error }) => ({
    id,
    reason: error instanceof Error ? error.message : String(error),
  }))
  return { entries, unanswered }
}

/** Asked at the same time: an engine answers them together. */
const TOGETHER = 8
