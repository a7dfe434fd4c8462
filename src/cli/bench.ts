/** `llava bench`: speed and memory of this machine with a model, beside what the machine could do at best. */
import type { ModelConfig } from '../families/family.ts'
import { loadModel, type ChosenPrecision, type Model } from '../index.ts'
import { lower, type LinearPrecision, type PrecisionPolicy } from '../graph/lower.ts'
import { cpuFeatures } from '../runtime/node.ts'
import { decoderGraph } from '../serve/decoder-graph.ts'
import { visionGraph } from '../serve/vision-runner.ts'
import { featureRows } from '../vision/vision-transformer.ts'
import type { Arguments } from './arguments.ts'
import { constraintLines, measureConstraint, type ConstraintSpeeds } from './bench-constraint.ts'
import { labelLines, measureLabelling } from './bench-label.ts'
import { measureFloor, type FloorRun, type MachineFloor } from './bench-floor.ts'
import { measureModel, type BenchPlan, type ModelSpeeds } from './bench-model.ts'
import { measureServing, servingLines } from './bench-serving.ts'
import { formatBytes, formatTable } from './format.ts'
import { checkIdleOfBench } from './idle-options.ts'
import { LOAD_OPTIONS, loadOptions, modelOf } from './load-flags.ts'
import { formatMeasured } from './measure.ts'
import { wholeFrom1, wholeNumber } from './number-options.ts'
import { linearElements, parameterBytes } from './precision-facts.ts'
import { Progress } from './progress.ts'
import { UsageError } from './usage-error.ts'
import type { Session, Verb } from './verb.ts'
import { ProcessWatch, type Watched } from './watch-process.ts'

export const bench: Verb = {
  options: [
    {
      name: 'rounds',
      kind: 'number',
      value: 'n',
      about: 'Rounds of each measurement, after one to warm up (default: 5)',
    },
    {
      name: 'prefill',
      kind: 'text',
      value: 'lengths',
      about: 'Lengths of prompts (default: 128,512,1024)',
    },
    {
      name: 'streams',
      kind: 'text',
      value: 'counts',
      about: 'How many answers at once (default: 1,4,8)',
    },
    { name: 'tokens', kind: 'number', value: 'n', about: 'Tokens of an answer (default: 32)' },
    {
      name: 'serve',
      kind: 'flag',
      about: 'Measure answers to many at once instead: streams of 1, 4, 8, 16, and what they share',
    },
    {
      name: 'label',
      kind: 'flag',
      about: 'Measure labelling instead: beside the engine alone, and beside a loop over questions',
    },
    { name: 'items', kind: 'number', value: 'n', about: 'Pictures of a round (default: 48)' },
    { name: 'clips', kind: 'number', value: 'n', about: 'Clips to label (default: 20)' },
    ...LOAD_OPTIONS,
  ],
  examples: [
    'bench',
    'bench --model llava-1.5-7b-hf --precision int8 --rounds 9',
    'bench --serve --streams 1,8',
    'bench --label --frames 8',
    'bench --json',
  ],
  async run(args, session) {
    checkIdleOfBench(args)
    if (args.flag('serve')) return benchServing(args, session)
    if (args.flag('label')) return benchLabelling(args, session)
    const report = await measureAll(args, session)
    const { terminal } = session
    if (terminal.isJson) terminal.json(report)
    else for (const line of reportLines(report)) terminal.print(line)
  },
}

type Report = {
  readonly model: string
  readonly precision: ChosenPrecision['name']
  readonly device: string
  readonly machine: { readonly processor: string; readonly threads: number }
  readonly loadMs: number
  readonly load: Watched
  readonly speeds: ModelSpeeds
  /** What forms of answers cost a token; null for a model without end tokens. */
  readonly constraint: ConstraintSpeeds | null
  readonly run: Watched
  readonly floor: Floor
}

type Floor = MachineFloor & {
  /** Bytes of the weights that one step of one stream reads. */
  readonly decodeBytes: number
  /** The share of what the machine could do that was reached, 1 being all of it. */
  readonly reached: {
    readonly vision: number | null
    readonly prefill: readonly number[]
    readonly decode: number | null
  }
}

async function measureAll(args: Arguments, session: Session): Promise<Report> {
  const plan = readPlan(args, session)
  const name = modelOf(args)
  const options = loadOptions(args, session)
  const watch = new ProcessWatch()
  const progress = new Progress(session.terminal)
  try {
    const start = performance.now()
    const { signal } = session
    const model = await loadModel(name, { ...options, signal, onProgress: progress.update })
    const loadMs = performance.now() - start
    const load = watch.take()
    progress.end()
    const speeds = await measureModel(model, plan).finally(() => model.dispose())
    const run = watch.take()
    const constraint = await measureConstraint(model, plan)
    plan.onStep('measuring the floor …')
    const { precision, device } = model
    return {
      model: name,
      precision: precision.name,
      device,
      machine: { processor: cpuFeatures().model, threads: options.threads ?? cpuFeatures().cores },
      loadMs,
      load,
      speeds,
      constraint,
      run,
      floor: await floorOf(model, speeds, { threads: options.threads, signal }),
    }
  } finally {
    progress.end()
    watch.stop()
  }
}

async function benchServing(args: Arguments, session: Session): Promise<void> {
  const { terminal, signal } = session
  const plan = readPlan(args, session, { tokens: 64, streams: [1, 4, 8, 16] })
  const progress = new Progress(terminal)
  const options = loadOptions(args, session)
  const maxRows = Math.max(16, ...plan.streams)
  const loading = { ...options, maxRows, signal, onProgress: progress.update }
  const model = await loadModel(modelOf(args), loading).finally(() => progress.end())
  const watch = new ProcessWatch()
  try {
    const speeds = await measureServing(model, plan)
    const { memory, eventLoop } = watch.take()
    const report = {
      model: modelOf(args),
      precision: model.precision.name,
      speeds,
      memory,
      eventLoop,
    }
    if (terminal.isJson) terminal.json(report)
    else for (const line of servingLines(report)) terminal.print(line)
  } finally {
    watch.stop()
    await model.dispose()
  }
}

async function benchLabelling(args: Arguments, session: Session): Promise<void> {
  const { terminal, signal } = session
  const plan = readPlan(args, session)
  const pictures = wholeFrom1(args, 'items') ?? 48
  const clips = wholeFrom1(args, 'clips') ?? 20
  const name = modelOf(args)
  const progress = new Progress(terminal)
  const options = { ...loadOptions(args, session), signal, onProgress: progress.update }
  const batch = options.maxRows ?? 16
  const load = (more: object) =>
    loadModel(name, { ...options, ...more }).finally(() => progress.end())
  const engine = await load({ maxRows: batch })
  try {
    const models = {
      engine,
      alone: () => load({ prefixCache: false, maxRows: 1, pictureBytes: 0 }),
    }
    const frames = options.frames ?? 8
    const speeds = await measureLabelling(models, { ...plan, pictures, clips, frames, batch })
    if (terminal.isJson) terminal.json({ model: name, precision: engine.precision.name, speeds })
    else for (const line of labelLines(name, speeds)) terminal.print(line)
  } finally {
    await engine.dispose()
  }
}

function readPlan(
  args: Arguments,
  { terminal, signal }: Session,
  usual: Pick<BenchPlan, 'tokens' | 'streams'> = { tokens: 32, streams: [1, 4, 8] },
): BenchPlan {
  return {
    rounds: wholeFrom1(args, 'rounds') ?? 5,
    tokens: wholeNumber(args, 'tokens', [2]) ?? usual.tokens,
    prefill: counts(args, 'prefill') ?? [128, 512, 1024],
    streams: counts(args, 'streams') ?? usual.streams,
    signal,
    onStep: (step) => terminal.note(terminal.style('dim', step, 'stderr')),
  }
}

function counts(args: Arguments, name: string): number[] | undefined {
  const values = args.text(name)?.split(',').map(Number)
  if (!values || values.every((value) => Number.isInteger(value) && value >= 1)) return values
  throw new UsageError(`--${name} should be whole numbers with commas, such as 128,512.`)
}

async function floorOf(
  { config, precision }: Model,
  speeds: ModelSpeeds,
  run: FloorRun,
): Promise<Floor> {
  const decoder = decoderGraph(config.decoder)
  const { decoder: prompts, singleStream, vision } = precision
  const promptForm = mostUsed(config, prompts)
  const visionForm = vision('vision.layers.0.mlp.up.weight')
  const machine = await measureFloor([promptForm, visionForm], run)
  const decodeBytes = parameterBytes(lower(decoder, singleStream ?? prompts).graph)
  const bandwidth = machine.bytesPerSecond.median
  // The head multiplies one row of a prompt only.
  const { vocabSize, hiddenSize } = config.decoder
  const perToken = 2 * (linearElements(decoder) - vocabSize * hiddenSize)
  const promptRate = machine.operationsPerSecond[promptForm]?.median ?? Infinity
  const lone = speeds.decode.find(({ streams }) => streams === 1)
  return {
    ...machine,
    decodeBytes,
    reached: {
      vision: visionShare(config, speeds, machine.operationsPerSecond[visionForm]?.median),
      prefill: speeds.prefill.map(
        ({ tokensPerSecond }) => (tokensPerSecond.median * perToken) / promptRate,
      ),
      decode: lone ? (lone.tokensPerSecond.median * decodeBytes) / bandwidth : null,
    },
  }
}

function mostUsed({ decoder }: ModelConfig, policy: PrecisionPolicy): LinearPrecision {
  return policy(`decoder.layers.${decoder.numLayers >> 1}.mlp.up.weight`)
}

function visionShare(
  { vision, projector }: ModelConfig,
  speeds: ModelSpeeds,
  rate: number | undefined,
): number | null {
  if (!vision || !projector || !speeds.vision || rate === undefined) return null
  const operations = 2 * linearElements(visionGraph(vision, projector)) * featureRows(vision)
  return operations / rate / (speeds.vision.msPerTile.median / 1000)
}

function reportLines(report: Report): string[] {
  const { model, precision, machine, loadMs, load, speeds, run, floor } = report
  const percent = (share: number | null | undefined) =>
    share === null || share === undefined ? '' : `${Math.round(100 * share)} % of the floor`
  const rows = [
    ['load', `${(loadMs / 1000).toFixed(2)} s`, ''],
    ...(speeds.vision
      ? [
          [
            'vision',
            `${formatMeasured(speeds.vision.msPerTile)} ms a tile`,
            percent(floor.reached.vision),
          ],
        ]
      : []),
    ...speeds.prefill.map(({ tokens, tokensPerSecond }, i) => [
      `prefill, ${tokens} tokens`,
      `${formatMeasured(tokensPerSecond)} tokens/s`,
      percent(floor.reached.prefill[i]),
    ]),
    ...speeds.decode.map(({ streams, tokensPerSecond }) => [
      `decode, ${streams} ${streams === 1 ? 'stream' : 'streams'}`,
      `${formatMeasured(tokensPerSecond)} tokens/s`,
      streams === 1 ? percent(floor.reached.decode) : '',
    ]),
    [
      'memory',
      `${formatBytes(run.memory.peakBytes)} ${run.memory.kind} at most`,
      `${formatBytes(load.memory.peakBytes)} while loading`,
    ],
    [
      'event loop',
      `held up ${run.eventLoop.maxMs.toFixed(0)} ms at most`,
      `p99 ${run.eventLoop.p99Ms.toFixed(1)} ms; ${load.eventLoop.maxMs.toFixed(0)} ms while loading`,
    ],
  ]
  const rates = Object.entries(floor.operationsPerSecond).map(
    ([form, rate]) => `${(rate.median / 1e9).toFixed(0)} GFLOP/s in ${form}`,
  )
  return [
    `${model} in ${precision} on ${machine.processor}, ${machine.threads} threads; medians (least–most)`,
    ...formatTable(rows).map((line) => `  ${line}`),
    ...(report.constraint ? constraintLines(report.constraint) : []),
    `floor: ${formatBytes(floor.bytesPerSecond.median)}/s from memory, ${formatBytes(floor.decodeBytes)} of weights a token; ${rates.join(', ')}`,
  ]
}
