/** Optimizer steps of a decoder, in full, as adapters, and of a projector in front of a frozen one; and their memory. */
import { isZen5, ratesFor } from '../machine.ts'
import {
  layerElements,
  patchesOf,
  shape7b,
  SMOLLM2,
  STUB_TOWER,
  type DecoderShape,
} from '../models/shapes.ts'
import { alternate, median, type Contender, type Measurement } from '../rounds.ts'
import type { Row } from '../row.ts'
import { describeCost, stepCost, type StepShape } from '../training-cost.ts'
import type { TorchDtype } from '../line-up.ts'
import type { StepQuestion, StepTimings } from '../workers/protocol.ts'
import type { TrainerOptions } from '../../../src/train/options.ts'
import type { WorkerProcess } from '../worker-process.ts'
import { contest, sized, tokensOf, type Context, type RowMaker } from './context.ts'

export const trainingRows: readonly RowMaker[] = [
  ...[1, 0.25].map((share) => ({
    name: `train-f32${suffix(share)}`,
    make: (context: Context) => fullRow(context, { share, compute: 'f32' }),
  })),
  ...[1, 0.25].map((share) => ({
    name: `train-fast${suffix(share)}`,
    make: (context: Context) => fullRow(context, { share, compute: 'int8' }),
  })),
  { name: 'train-lora-int8', make: loraRow },
  { name: 'train-stage1-7b', make: stage1Row },
  { name: 'train-memory', make: memoryRow },
]

function suffix(share: number): string {
  return share === 1 ? '' : `-${100 * share}`
}

const TOKENS = 700

type Asking = {
  readonly worker: WorkerProcess
  readonly label: string
  readonly question: (round: number) => StepQuestion
}

/** A step as a sample; its highest memory is written down as it goes. */
function stepping({ worker, label, question }: Asking, peaks: Map<string, number>): Contender {
  return {
    label,
    async sample(round) {
      const run = () => worker.ask<StepTimings>('step', question(round))
      const { result, peakBytes } = await worker.watchMemory(run)
      peaks.set(label, Math.max(peaks.get(label) ?? 0, peakBytes))
      return result.ms
    },
  }
}

type OursRequest = {
  readonly folder: string
  readonly options: TrainerOptions
  readonly label: string
  readonly question: Asking['question']
}

/** With activations kept and made again: whichever is faster counts. */
async function oursIn(
  { lineUp }: Context,
  { folder, options, label, question }: OursRequest,
  peaks: Map<string, number>,
): Promise<Contender[]> {
  const made: Contender[] = []
  for (const activations of ['keep', 'recompute'] as const) {
    const worker = await lineUp.trainer(folder, { ...options, activations })
    made.push(stepping({ worker, label: `${label}, ${activations}`, question }, peaks))
  }
  return made
}

async function torchIn(
  { lineUp }: Context,
  {
    shape,
    dtype,
    kind,
    question,
  }: {
    readonly shape: DecoderShape
    readonly dtype: TorchDtype
    readonly kind: 'full' | 'stage1'
    readonly question: Asking['question']
  },
  peaks: Map<string, number>,
): Promise<Contender[]> {
  const worker = await lineUp.torchTrainer({ kind, shape, dtype, checkpointing: false })
  const label = dtype === 'bfloat16' ? 'torch bfloat16 autocast' : 'torch float32'
  return worker ? [stepping({ worker, label, question }, peaks)] : []
}

function smolQuestion(context: Context, share: number): (round: number) => StepQuestion {
  const tokens = tokensOf(context, TOKENS)
  const supervised = Math.round(share * tokens)
  return (round) => ({ tokens, supervised, seed: 900 + round })
}

const FULL: TrainerOptions = { trainable: ['decoder'], learningRate: 1e-5 }

async function fullRow(
  context: Context,
  { share, compute }: { readonly share: number; readonly compute: 'f32' | 'int8' },
): Promise<Row> {
  const shape = sized(context, SMOLLM2)
  const folder = await context.lineUp.checkpoint(shape)
  const question = smolQuestion(context, share)
  const peaks = new Map<string, number>()
  const label = compute === 'f32' ? 'llava-ts f32' : 'llava-ts fast mode'
  const ours = await oursIn(
    context,
    { folder, options: { ...FULL, compute }, label, question },
    peaks,
  )
  const bars = { f32: isZen5() ? 1.7 : 1, int8: isZen5() ? 1.5 : 1.1 }
  const hard = compute === 'f32' ? 'float32' : 'bfloat16'
  const asked = { shape, kind: 'full', question } as const
  const groups = [
    { contenders: await torchIn(context, { ...asked, dtype: hard }, peaks), bar: bars[compute] },
  ]
  if (compute === 'f32') {
    groups.push({
      contenders: await torchIn(context, { ...asked, dtype: 'bfloat16' }, peaks),
      bar: 0,
    })
  }
  const { tokens, supervised } = question(0)
  const row = await contest({
    name: `train-${compute === 'f32' ? 'f32' : 'fast'}${suffix(share)}`,
    what: `a step of all weights of ${shape.name}, ${tokens} tokens, ${supervised} of them learnt`,
    unit: 'ms',
    ours,
    groups: groups.map(({ contenders, bar }) => (bar > 0 ? { contenders, bar } : { contenders })),
    rounds: context.options.rounds,
  })
  return withCost(context, row, {
    peaks,
    step: {
      shape,
      tokens,
      supervised,
      trained: trainedOf(shape),
      compute,
      isFrozen: false,
      isRecomputed: isRecomputed(row),
    },
  })
}

/** Adapters over an int8 base, beside our own full fine-tune. */
async function loraRow(context: Context): Promise<Row> {
  const shape = sized(context, SMOLLM2)
  const folder = await context.lineUp.checkpoint(shape)
  const question = smolQuestion(context, 1)
  const peaks = new Map<string, number>()
  const rank = 16
  const lora = { trainable: [], lora: { rank }, base: 'int8', learningRate: 1e-4 } as const
  const ours: Contender[] = []
  for (const compute of ['int8', 'f32'] as const) {
    const label = `llava-ts LoRA, ${compute === 'int8' ? 'fast mode' : 'f32'}`
    const options = { ...lora, compute }
    ours.push(...(await oursIn(context, { folder, options, label, question }, peaks)))
  }
  const full = { folder, options: FULL, label: 'llava-ts full, f32', question }
  const { tokens, supervised } = question(0)
  const row = await contest({
    name: 'train-lora-int8',
    what: `a step of adapters of rank ${rank} on an int8 base of ${shape.name}, ${tokens} tokens`,
    unit: 'ms',
    ours,
    groups: [{ contenders: await oursIn(context, full, peaks), bar: 1.5 }],
    rounds: context.options.rounds,
  })
  return withCost(context, row, {
    peaks,
    step: {
      shape,
      tokens,
      supervised,
      trained: adapterElements(shape, rank),
      compute: isFast(row) ? 'int8' : 'f32',
      isFrozen: true,
      isRecomputed: isRecomputed(row),
    },
  })
}

/** Layers of the 7B shape: what is in front of them and behind is next to nothing. */
const FROZEN_LAYERS = 2

async function stage1Row(context: Context): Promise<Row> {
  const shape = sized(context, {
    ...shape7b(FROZEN_LAYERS),
    name: `7b-${FROZEN_LAYERS}-words`,
    vocabSize: 1024,
  })
  const folder = await context.lineUp.checkpoint(shape, STUB_TOWER)
  const imageTokens = patchesOf(STUB_TOWER)
  const tokens = imageTokens + 64
  const question = (round: number) => ({ tokens, supervised: 64, seed: 950 + round, imageTokens })
  const peaks = new Map<string, number>()
  const ours: Contender[] = []
  for (const compute of ['int8', 'f32'] as const) {
    const label = `llava-ts int8 weights, ${compute === 'int8' ? 'fast mode' : 'f32 products'}`
    const options: TrainerOptions = { trainable: ['projector'], base: 'int8', compute }
    ours.push(...(await oursIn(context, { folder, options, label, question }, peaks)))
  }
  const asked = { shape, kind: 'stage1', question } as const
  const row = await contest({
    name: 'train-stage1-7b',
    what: `a step of the projector through ${shape.numLayers} frozen layers of ${shape.hiddenSize}, ${tokens} tokens`,
    unit: 'ms',
    ours,
    groups: [
      { contenders: await torchIn(context, { ...asked, dtype: 'float32' }, peaks), bar: 3 },
      { contenders: await torchIn(context, { ...asked, dtype: 'bfloat16' }, peaks), bar: 1 },
    ],
    rounds: context.options.rounds,
  })
  const frozen = shape.numLayers * layerElements(shape)
  const costed = withCost(context, row, {
    peaks,
    step: {
      shape,
      tokens,
      supervised: 64,
      trained: shape.hiddenSize * (STUB_TOWER.hiddenSize + shape.hiddenSize),
      compute: isFast(row) ? 'int8' : 'f32',
      isFrozen: true,
      isRecomputed: isRecomputed(row),
    },
  })
  const weights = `frozen weights: ours ${megabytes(1.01 * frozen)}, bfloat16 ${megabytes(2 * frozen)}, float32 ${megabytes(4 * frozen)}`
  return { ...costed, notes: [...(costed.notes ?? []), weights] }
}

/** The highest anonymous memory of three steps, activations made again on both sides. */
async function memoryRow(context: Context): Promise<Row> {
  const { lineUp } = context
  const shape = sized(context, SMOLLM2)
  const folder = await lineUp.checkpoint(shape)
  const question = smolQuestion(context, 1)
  const peakOf = async (worker: WorkerProcess) => {
    const { peakBytes } = await worker.watchMemory(async () => {
      for (const round of [0, 1, 2]) await worker.ask('step', question(round))
    })
    return peakBytes / 1e6
  }
  const ours = await lineUp.trainer(folder, { ...FULL, activations: 'recompute', seed: 1 })
  const contenders: Contender[] = [{ label: 'llava-ts f32, recompute', sample: () => peakOf(ours) }]
  for (const checkpointing of [true, false]) {
    const request = { kind: 'full', shape, dtype: 'float32', checkpointing } as const
    const worker = await lineUp.torchTrainer(request)
    const label = `torch float32${checkpointing ? ', checkpointing' : ''}`
    if (worker) contenders.push({ label, sample: () => peakOf(worker) })
  }
  const measured = await alternate(contenders, 1)
  const [first, ...peers] = contenders.map(({ label }) => ({
    label,
    measured: measured.get(label) as Measurement,
  }))
  return {
    name: 'train-memory',
    what: `peak RssAnon of steps of all weights of ${shape.name}, ${question(0).tokens} tokens, float32`,
    unit: 'MB',
    ours: first?.measured as Measurement,
    comparisons: peers.map((peer, i) => (i === 0 ? { ...peer, bar: 1 / 0.9 } : peer)),
  }
}

/** The row with its floor, tokens a second, the share of the product rate, and everybody's peak memory. */
function withCost(
  { machine }: Context,
  row: Row,
  { step, peaks }: { readonly step: StepShape; readonly peaks: ReadonlyMap<string, number> },
): Row {
  const cost = stepCost(machine, step)
  const ms = median(row.ours)
  const perSecond = (one: Measurement) => ((1000 * step.tokens) / median(one)).toFixed(0)
  const peers = (row.comparisons ?? []).map(
    ({ label, measured }) => `${label} ${perSecond(measured)}`,
  )
  const rate = ratesFor(machine, step.shape.hiddenSize)[step.compute]
  const reached = cost.productOperations / ms / 1e6
  const share = Math.round((100 * reached) / rate)
  const memory = [...peaks].map(([label, bytes]) => `${label} ${megabytes(bytes)}`)
  return {
    ...row,
    floor: { value: cost.total, from: describeCost(cost) },
    notes: [
      ...(row.notes ?? []),
      `tokens a second: ours ${perSecond(row.ours)}; ${peers.join('; ')}`,
      `products over the whole step: ${reached.toFixed(0)} GFLOP/s, ${share} % of the measured ${rate.toFixed(0)} of ${step.compute}`,
      `peak RssAnon: ${memory.join('; ')}`,
    ],
  }
}

/** What `contest` says of the form of ours that won. */
function winner({ notes = [] }: Row): string {
  return notes.find((note) => note.startsWith('ours is')) ?? ''
}

function isRecomputed(row: Row): boolean {
  return winner(row).endsWith('recompute')
}

function isFast(row: Row): boolean {
  return winner(row).includes('fast mode')
}

function trainedOf(shape: DecoderShape): number {
  const { numLayers, hiddenSize, vocabSize } = shape
  return numLayers * (layerElements(shape) + 2 * hiddenSize) + (vocabSize + 1) * hiddenSize
}

function adapterElements(shape: DecoderShape, rank: number): number {
  const { hiddenSize: d, intermediateSize: f, numHeads, numKvHeads, numLayers } = shape
  const kv = (d * numKvHeads) / numHeads
  return numLayers * rank * (4 * d + 2 * (d + kv) + 3 * (d + f))
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`
}
