/** `llava launch`: the command that starts SGLang or vLLM with a checkpoint, and what to know before. */
import { dirname, resolve } from 'node:path'
import type { DType } from '../core/dtype.ts'
import { ConfigError } from '../core/errors.ts'
import { elementCount } from '../core/shape.ts'
import { openParts, type Checkpoint } from '../load-checkpoint.ts'
import { openStored } from '../weights/index.ts'
import type { Arguments } from './arguments.ts'
import {
  ENGINES,
  planLaunch,
  type EngineName,
  type LaunchFacts,
  type LaunchOptions,
  type LaunchPlan,
} from './launch-plan.ts'
import { formatBytes } from './format.ts'
import {
  CHECKPOINT_OPTIONS,
  checkpointOptions,
  checkpointWords,
  type CheckpointWords,
} from './load-flags.ts'
import { wholeFrom1 } from './number-options.ts'
import { UsageError } from './usage-error.ts'
import type { Verb } from './verb.ts'

export const launch: Verb = {
  options: [
    {
      name: 'host',
      kind: 'text',
      value: 'address',
      about: 'Where it listens (default: 127.0.0.1)',
    },
    { name: 'port', kind: 'number', value: 'n', about: 'Port (default: 30000, of vLLM 8000)' },
    { name: 'served-name', kind: 'text', value: 'name', about: 'What clients call the model' },
    {
      name: 'max-context',
      kind: 'number',
      value: 'tokens',
      about: 'Longest sequence (default: what the checkpoint was made for)',
    },
    {
      name: 'dtype',
      kind: 'text',
      choices: ['float16', 'bfloat16', 'float32'],
      about: 'How weights are held (default: as most are stored, float32 as float16)',
    },
    { name: 'gpu-gib', kind: 'number', value: 'n', about: 'Memory of one card (default: 80)' },
    { name: 'gpus', kind: 'number', value: 'n', about: 'Cards that may be used (default: 8)' },
    { name: 'max-images', kind: 'number', value: 'n', about: 'Pictures of a request' },
    ...CHECKPOINT_OPTIONS,
  ],
  examples: [
    'launch sglang llava-v1.5-7b',
    'launch vllm llava-hf/llava-onevision-qwen2-7b-ov-hf --gpus 2 --gpu-gib 24',
    'launch vllm FOLDER --json',
  ],
  async run(args, session) {
    const [engine, model] = args.positionals
    if (engine !== 'sglang' && engine !== 'vllm') {
      throw new UsageError(
        `launch: the engine should be ${ENGINES.join(' or ')}; "${engine}" came.`,
      )
    }
    if (model === undefined) throw new UsageError('launch: a model is expected behind the engine.')
    const { terminal } = session
    const checkpoint = await openParts(model, checkpointOptions(args, session))
    try {
      const facts = factsOf(engine, model, { checkpoint, given: checkpointWords(args) })
      const plan = planLaunch(facts, optionsOf(args, facts))
      if (plan.reasons.length > 0) {
        throw new ConfigError('CONFIG_LAUNCH', `launch: ${plan.reasons.join('\n  ')}`)
      }
      if (terminal.isJson) terminal.json({ ...plan, line: shellLine(plan.command) })
      else for (const line of linesOf(plan)) terminal.print(line)
      if (!terminal.isJson) {
        for (const warning of plan.warnings) {
          terminal.note(terminal.style('yellow', warning, 'stderr'))
        }
      }
    } finally {
      checkpoint.close()
    }
  },
}

function factsOf(
  engine: EngineName,
  model: string,
  { checkpoint, given }: { readonly checkpoint: Checkpoint; readonly given: CheckpointWords },
): LaunchFacts {
  const { config, parts, files, folder } = checkpoint
  const elements: Partial<Record<DType, number>> = {}
  const names = new Set<string>()
  for (const { source } of parts) {
    for (const [name, { dtype, shape }] of source.tensors) {
      // What comes later takes the place of what came before.
      if (names.has(name)) continue
      names.add(name)
      elements[dtype] = (elements[dtype] ?? 0) + elementCount(shape)
    }
  }
  return {
    engine,
    model,
    config,
    elements,
    isInParts:
      given.parts.length > 0 || files.some((file) => resolve(dirname(file)) !== resolve(folder)),
    isPacked: files.some((file) => file.endsWith('.gguf') || holdsBlocks(file)),
    given,
  }
}

/** Weights in blocks of few bits, which only this program reads: `stored-blocks.ts`. */
function holdsBlocks(file: string): boolean {
  if (!file.endsWith('.safetensors')) return false
  const source = openStored(file)
  try {
    return [...source.tensors.keys()].some((name) => /\.Q\d_[\dK](?:\.\d+)?$/.test(name))
  } finally {
    source.close()
  }
}

function optionsOf(args: Arguments, { engine, config }: LaunchFacts): LaunchOptions {
  const maxContext = wholeFrom1(args, 'max-context') ?? config.maxContext
  return {
    host: (args.text('host') ?? '127.0.0.1').replace(/^\[(.+)\]$/, '$1'),
    port: wholeFrom1(args, 'port', 65_535) ?? (engine === 'vllm' ? 8000 : 30000),
    servedName: args.text('served-name') ?? null,
    maxContext,
    dtype: (args.text('dtype') as LaunchOptions['dtype']) ?? null,
    gpuGib: wholeFrom1(args, 'gpu-gib') ?? 80,
    gpus: wholeFrom1(args, 'gpus') ?? 8,
    maxImages: wholeFrom1(args, 'max-images') ?? null,
  }
}

function linesOf(plan: LaunchPlan): string[] {
  const { convert, command, front, weightBytes, contextBytes, tensorParallel } = plan
  const cards = tensorParallel === 1 ? 'one card' : `${tensorParallel} cards`
  return [
    ...(convert ? [shellLine(convert)] : []),
    shellLine(command),
    shellLine(front),
    '',
    `${formatBytes(weightBytes)} of weights as ${plan.dtype}, ${formatBytes(contextBytes)} for one context of ${plan.contextLength}: ${cards}`,
  ]
}

/** A command as a POSIX shell takes it. */
function shellLine(words: readonly string[]): string {
  return words
    .map((word) => (/^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ')
}
