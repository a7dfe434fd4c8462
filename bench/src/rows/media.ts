/** A picture of several tiles and a clip of many frames: beside as many single tiles of ours, and beside peers. */
import { towerFloor } from '../floors.ts'
import { CLIP_L_336, patchesOf, STUB, type TowerShape } from '../models/shapes.ts'
import { writeFilm } from '../models/write-film.ts'
import type { Row } from '../row.ts'
import { median, type Contender } from '../rounds.ts'
import type { WorkerProcess } from '../worker-process.ts'
import type { AnswerQuestion, Timings } from '../workers/protocol.ts'
import {
  contest,
  fewRounds,
  sizedTower,
  type Context,
  type Group,
  type RowMaker,
} from './context.ts'
import { running, torchTower, torchTowerBars } from './contenders.ts'

export const mediaRows: readonly RowMaker[] = [
  { name: 'anyres-5', make: anyres },
  { name: 'clip-32', make: clip },
]

/** The most that several tiles may take, as a multiple of the same tiles one by one. */
const MOST = 1.05

async function anyres(context: Context): Promise<Row> {
  const tower = sizedTower(context, CLIP_L_336)
  const { whole, single } = await models(context, tower)
  const side = 2 * tower.imageSize
  const tiles = 5
  const ours: Contender = {
    label: 'llava-ts, one picture of 2 × 2 tiles',
    sample: async (round) =>
      encodingMs(whole, { ...WORDS, seed: round, picture: { side, tokens: 0, seed: 900 + round } }),
  }
  return contest({
    name: 'anyres-5',
    what: `a picture of ${side} px: base tile and 2 × 2 tiles through ${tower.name}, prepared and encoded`,
    unit: 'ms',
    ours: [ours],
    groups: await groups(context, { tower, single, tiles, samples: tiles, firstSeed: 10_000 }),
    rounds: fewRounds(context),
    floor: times(towerFloor(context.machine, tower), tiles),
  })
}

const FRAMES = 32
/** Of single frames and of peers so many are run and the others reckoned: they take the same time, and all would take minutes. */
const SAMPLED = 4

async function clip(context: Context): Promise<Row> {
  const tower = sizedTower(context, CLIP_L_336)
  const { whole, single } = await models(context, tower)
  const side = tower.imageSize
  const ours: Contender = {
    label: `llava-ts, a clip of ${FRAMES} frames`,
    sample: async (round) =>
      encodingMs(whole, {
        ...WORDS,
        seed: round,
        clip: { frames: FRAMES, side, seed: 2000 + 100 * round },
      }),
  }
  const row = await contest({
    name: 'clip-32',
    what: `${FRAMES} frames of ${side} px through ${tower.name}, prepared, encoded and pooled; pixels are given, no codec runs`,
    unit: 'ms',
    ours: [ours],
    groups: [
      ...(await groups(context, {
        tower,
        single,
        tiles: FRAMES,
        samples: SAMPLED,
        firstSeed: 20_000,
      })),
      ...(await films(context, tower)),
    ],
    rounds: fewRounds(context),
    floor: times(towerFloor(context.machine, tower), FRAMES),
  })
  return { ...row, notes: [...(row.notes ?? []), hiddenShare(row)] }
}

const FILM = 'llava-ts, a film of so many frames'
const CODEC = 'its codec alone'

/** As many frames from a file, and what the codec takes for them where nothing is encoded; no peers, so without a bar. */
async function films({ lineUp, options }: Context, tower: TowerShape): Promise<Group[]> {
  const film = writeFilm(options.workFolder, FILM_SIZE)
  if (!film) return []
  const folder = await lineUp.checkpoint(CLIP_DECODER, tower, 'anyres')
  // No rows are kept: each round asks about the same frames.
  const worker = await lineUp.ours(folder, { precision: 'int8', pictureBytes: 0 })
  const clip = { path: film.path, frames: FRAMES }
  const contenders: readonly Contender[] = [
    { label: FILM, sample: (round) => encodingMs(worker, { ...WORDS, seed: round, clip }) },
    { label: CODEC, sample: async () => (await worker.ask<{ ms: number }>('decode', clip)).ms },
  ]
  return contenders.map((one) => ({ contenders: [one] }))
}

/** How much of a film's decoding takes no time of its own, because frames are encoded meanwhile. */
function hiddenShare({ ours, comparisons = [] }: Row): string {
  const named = (label: string) => comparisons.find((one) => one.label === label)?.measured
  const [film, codec] = [named(FILM), named(CODEC)]
  if (!film || !codec) return 'no film: it needs ffmpeg (apt install ffmpeg, brew install ffmpeg)'
  const shares = film.samples.map(
    (ms, i) => 1 - (ms - (ours.samples[i] as number)) / (codec.samples[i] as number),
  )
  return `of what the codec takes ${Math.round(100 * median({ samples: shares }))} % is done while frames are encoded`
}

const CLIP_DECODER = { ...STUB, name: 'stub-8k', maxPositions: 8192 }
const FILM_SIZE = { width: 1280, height: 720, seconds: 20 }
const WORDS = { promptTokens: 1, newTokens: 1 }

/** One checkpoint, loaded as it is and so that each picture is one tile. */
async function models({ lineUp }: Context, tower: TowerShape) {
  const folder = await lineUp.checkpoint(CLIP_DECODER, tower, 'anyres')
  return {
    whole: await lineUp.ours(folder, { precision: 'int8', frames: FRAMES }),
    single: await lineUp.ours(folder, { precision: 'int8', quirks: { tiles: 'one' } }),
  }
}

/** Everything between the request and the rows for the decoder. */
async function encodingMs(worker: WorkerProcess, question: AnswerQuestion): Promise<number> {
  const { preprocessMs, visionMs } = await worker.ask<Timings>('answer', question)
  return preprocessMs + visionMs
}

async function groups(
  context: Context,
  {
    tower,
    single,
    tiles,
    samples,
    firstSeed,
  }: {
    readonly tower: TowerShape
    readonly single: WorkerProcess
    readonly tiles: number
    readonly samples: number
    /** Rows share the model of one tile, which keeps the rows of pictures that it has seen. */
    readonly firstSeed: number
  },
): Promise<Group[]> {
  const factor = tiles / samples
  const bars = torchTowerBars()
  const [bfloat16 = [], float32 = []] = await torchTower(context, tower, { tiles: samples, factor })
  const dynamic = await context.lineUp.openvino('tower', tower)
  const openvino = dynamic
    ? [running('OpenVINO int8 dynamic', dynamic, 'run', { factor: tiles })]
    : []
  return [
    { contenders: [oneByOne(single, { tower, samples, factor, firstSeed })], bar: 1 / MOST },
    { contenders: bfloat16, bar: bars.bfloat16 },
    { contenders: float32, bar: bars.float32 },
    { contenders: openvino, bar: 1 },
  ]
}

/** As many pictures of one tile, one after another. */
function oneByOne(
  worker: WorkerProcess,
  {
    tower,
    samples,
    factor,
    firstSeed,
  }: {
    readonly tower: TowerShape
    readonly samples: number
    readonly factor: number
    readonly firstSeed: number
  },
): Contender {
  const side = tower.imageSize
  return {
    label: `llava-ts, ${samples * factor} × a picture of one tile`,
    async sample(round) {
      let ms = 0
      for (let i = 0; i < samples; i++) {
        const seed = firstSeed + 100 * round + i
        const picture = { side, tokens: patchesOf(tower), seed }
        ms += await encodingMs(worker, {
          promptTokens: picture.tokens + 1,
          newTokens: 1,
          seed,
          picture,
        })
      }
      return factor * ms
    },
  }
}

function times({ value, from }: { value: number; from: string }, count: number) {
  return { value: count * value, from: `${count} × ${from}` }
}
