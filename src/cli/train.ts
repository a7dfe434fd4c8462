/** `llava train`: a run by a recipe. */
import {
  dryRun,
  type DryRun,
  readRecipe,
  setValue,
  train as runTraining,
  type TrainEvent,
  type TrainOutcome,
} from '../train/index.ts'
import { measureFloor } from './bench-floor.ts'
import { formatBytes, formatCount, formatDuration, formatTable } from './format.ts'
import { Progress } from './progress.ts'
import { refuseIdle } from './refuse-idle.ts'
import type { Terminal } from './terminal.ts'
import type { Verb } from './verb.ts'

export const train: Verb = {
  options: [
    {
      name: 'set',
      kind: 'texts',
      value: 'path=value',
      about: 'Another value for a key of the recipe; repeat for more',
    },
    { name: 'resume', kind: 'flag', about: 'Go on from the latest checkpoint, if there is one' },
    {
      name: 'dry-run',
      kind: 'flag',
      about: 'Train nothing; show what would be trained, its memory, time and cost',
    },
  ],
  examples: [
    'train recipes/llava-v1.5/alignment.yaml --set model.base=vicuna-7b-v1.5 --set output=runs/stage1',
    'train recipes/mini/instruction.yaml --set steps=100 --set schedule.warmupRatio=0',
    'train recipe.yaml --resume',
    'train recipes/llava-v1.5/instruction.yaml --dry-run',
  ],
  async run(args, { terminal, signal }) {
    if (args.flag('dry-run')) refuseIdle(args, ['resume'], 'with --dry-run')
    const written = await readRecipe(args.positionals[0] as string)
    const recipe = args.texts('set').reduce<unknown>(setValue, written)
    if (args.flag('dry-run')) return showDryRun(recipe, terminal, signal)
    const progress = new Progress(terminal)
    try {
      const tellActivations = activationsTeller(terminal, progress)
      const onEvent = (event: TrainEvent) => {
        tellActivations(event)
        show(event, terminal, progress)
      }
      const outcome = await runTraining(recipe, { onEvent, signal, resume: args.flag('resume') })
      progress.end()
      report(outcome, terminal)
    } finally {
      progress.end()
    }
  },
}

async function showDryRun(recipe: unknown, terminal: Terminal, signal: AbortSignal): Promise<void> {
  const rates = await measureFloor(['f32', 'int8'], { signal })
  const rate = (form: 'f32' | 'int8') => rates.operationsPerSecond[form]?.median ?? 0
  const operationsPerSecond = { f32: rate('f32'), int8: rate('int8') }
  const dry = await dryRun(recipe, { operationsPerSecond, signal })
  if (terminal.isJson) return terminal.json({ ...dry, operationsPerSecond })
  for (const line of dryRunLines(dry)) terminal.print(line)
}

function dryRunLines(dry: DryRun): string[] {
  const { recipe, countedAs, groups, notices, size, memory, seconds, gpu, operationsPerSecond } =
    dry
  const rows = groups.map(({ part, kind, parameters, learningRate, weightDecay }) => [
    part,
    kind,
    formatCount(parameters),
    learningRate === null ? 'frozen' : `rate ${learningRate}, decay ${weightDecay}`,
  ])
  const lines = [`${recipe.name || recipe.output}: ${recipe.stage}`]
  if (countedAs !== null) {
    lines.push(`  ${recipe.model.from} is not here; counted as ${countedAs} is published`)
  }
  lines.push(...formatTable(rows).map((line) => `  ${line}`))
  lines.push(...notices.map((notice) => `  note: ${notice}`), '')
  if (!size || !memory) return [...lines, '  the data are not there: no size, memory or time']
  const { frozenWeights, trained, reference, activations } = memory
  const ofReference = reference > 0 ? `, ${formatBytes(reference)} of the frozen reference` : ''
  const flops = `${(operationsPerSecond / 1e9).toFixed(0)} GFLOP/s of products`
  lines.push(
    `  steps   ${size.steps} of ${size.batch} samples, about ${Math.round(size.tokens)} tokens each (from ${dry.sizeFrom})`,
    `  memory  ${formatBytes(frozenWeights + trained)} of weights and optimizer${ofReference}, ${formatBytes(activations)} of activations where they are kept`,
    `  here    ${formatDuration(seconds ?? 0)} at ${flops}`,
  )
  if (gpu)
    lines.push(`  there   ${Number(gpu.hours.toPrecision(2))} ${gpu.gpu} hours (${gpu.from})`)
  return lines
}

const ACTIVATIONS = {
  keep: 'activations are kept between forward and backward: there is memory for them',
  recompute: 'activations are made again in the backward pass',
} as const

/** Says which was chosen at the first step, and when it changes. */
function activationsTeller(terminal: Terminal, progress: Progress): (event: TrainEvent) => void {
  let known: keyof typeof ACTIVATIONS | null = null
  return (event) => {
    if (terminal.isJson || event.kind !== 'step' || !event.activations) return
    if (event.activations === known) return
    known = event.activations
    progress.end()
    terminal.note(`step ${event.step}: ${ACTIVATIONS[known]}`)
  }
}

function show(event: TrainEvent, terminal: Terminal, progress: Progress): void {
  if (event.kind === 'progress') return progress.update(event)
  if (event.kind === 'step') {
    const { loss, positionsPerSecond, remainingSeconds, step, totalSteps } = event
    const speed = `${Math.round(positionsPerSecond)} tokens/s`
    const item = `loss ${loss.toFixed(4)}  ${speed}  ${formatDuration(remainingSeconds)} left`
    return progress.update({
      stage: 'train',
      done: step,
      total: totalSteps,
      item: `${step}/${totalSteps}  ${item}`,
    })
  }
  progress.end()
  const line = lineOf(event)
  if (terminal.isJson) terminal.note(JSON.stringify(event))
  else terminal.note(line)
}

function lineOf(event: Exclude<TrainEvent, { kind: 'progress' | 'step' }>): string {
  switch (event.kind) {
    case 'start': {
      const { records, quarantined, totalSteps, resumedAt, trainedParameters } = event
      const from = resumedAt > 0 ? `, from step ${resumedAt}` : ''
      const aside = quarantined > 0 ? ` (${quarantined} in quarantine)` : ''
      return `${records - quarantined} records${aside}, ${totalSteps} steps${from}, ${trainedParameters} parameters are trained`
    }
    case 'evaluation':
      return `step ${event.step}: held-out loss ${event.loss.toFixed(4)}`
    case 'answers':
      return event.answers
        .map(
          ({ question, answer }) =>
            `step ${event.step}: ${inOneLine(question)} → ${inOneLine(answer)}`,
        )
        .join('\n')
    case 'checkpoint':
      return `step ${event.step}: ${event.folder}`
    case 'warning':
      return `step ${event.step}: warning: ${event.message}`
    case 'saved':
      return `saved ${event.folder}`
  }
}

function report(outcome: TrainOutcome, terminal: Terminal): void {
  if (terminal.isJson) return terminal.json(outcome)
  const { model, steps, loss, evaluationLoss } = outcome
  terminal.print(model)
  if (loss !== null) terminal.print(`  loss ${loss.toFixed(4)} after ${steps} steps`)
  if (evaluationLoss !== null) terminal.print(`  held-out loss ${evaluationLoss.toFixed(4)}`)
}

function inOneLine(text: string): string {
  return text.replaceAll('<image>', '').replace(/\s+/g, ' ').trim()
}
