/** `llava convert`: a checkpoint in another layout, its parts merged. */
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { makeFolderSync } from '../core/make-folder-node.ts'
import {
  CONVERT_LAYOUTS,
  planConversion,
  type Conversion,
  type ConvertLayout,
  type ConvertOptions,
} from '../families/convert/convert-checkpoint.ts'
import { OUTPUT_DTYPES, usualOutput, type OutputDType } from '../families/convert/output-tensor.ts'
import { tokenizerFiles } from '../families/convert/tokenizer-files.ts'
import { openParts, type Checkpoint, type CheckpointOptions } from '../load-checkpoint.ts'
import { openDelta } from '../open-delta.ts'
import { loadTokenizer } from '../text/index.ts'
import type { Arguments } from './arguments.ts'
import { formatBytes } from './format.ts'
import { CHECKPOINT_OPTIONS, checkpointOptions } from './load-flags.ts'
import { outFolder } from './out-folder.ts'
import { packageVersion } from './package.ts'
import { Progress } from './progress.ts'
import { UsageError } from './usage-error.ts'
import type { Session, Verb } from './verb.ts'

export const convert: Verb = {
  options: [
    {
      name: 'to',
      kind: 'text',
      choices: CONVERT_LAYOUTS,
      about: 'The layout to write (default: llava-hf)',
    },
    { name: 'out', kind: 'text', value: 'folder', about: 'Where to; new or empty' },
    {
      name: 'delta',
      kind: 'text',
      value: 'folder',
      about: 'In place of a source: a difference to the LLaMA that --base names',
    },
    {
      name: 'dtype',
      kind: 'text',
      choices: OUTPUT_DTYPES,
      about:
        'How weights are written (default: as they are stored; float16 where that is in blocks of few bits)',
    },
    {
      name: 'max-shard-bytes',
      kind: 'number',
      value: 'bytes',
      about: 'Longest weight file (default: 5e9)',
    },
    ...CHECKPOINT_OPTIONS,
  ],
  examples: [
    'convert llava-v1.5-7b --to llava-hf --out llava-1.5-7b-hf --dtype float16',
    'convert llava-1.5-7b-hf --to original --out llava-v1.5-7b',
    'convert llava-v1.5-7b-lora --base vicuna-7b-v1.5 --out merged',
    'convert --delta LLaVA-13b-delta-v1-1 --base llama-13b --to original --out llava-13b-v1-1',
  ],
  async run(args, session) {
    const out = outFolder(args, 'convert')
    const to = (args.text('to') ?? 'llava-hf') as ConvertLayout
    const source = sourceOf(args)
    const maxShardBytes = shardBytes(args)
    const progress = new Progress(session.terminal)
    const { signal } = session
    const options = { ...checkpointOptions(args, session), onProgress: progress.update, signal }
    const checkpoint = await open(source, args, options)
    try {
      const plan = await convertOptions(args, {
        checkpoint,
        to,
        out,
        maxShardBytes,
        session,
        progress,
      })
      const conversion = planConversion(checkpoint, plan)
      const { files, bytes } = await writeWhole(conversion, out)
      progress.end()
      report(session, { source, out, to, files, bytes, notices: conversion.notices })
    } finally {
      progress.end()
      checkpoint.close()
    }
  },
}

/** The checkpoint to convert. Throws UsageError unless there is one, and a base with a delta. */
function sourceOf(args: Arguments): string {
  const [source] = args.positionals
  const delta = args.text('delta')
  if (source !== undefined && delta !== undefined) {
    throw new UsageError(`--delta stands in place of a source; "${source}" came too.`)
  }
  if (delta !== undefined && !args.has('base')) {
    throw new UsageError('--delta needs --base, the LLaMA that it is a difference to.')
  }
  const found = source ?? delta
  if (found !== undefined) return found
  throw new UsageError('llava convert needs a source: a folder, a hub id, or --delta with --base.')
}

function open(source: string, args: Arguments, options: CheckpointOptions): Promise<Checkpoint> {
  const { base } = options
  return args.has('delta') && base !== undefined
    ? openDelta(source, { ...options, base })
    : openParts(source, options)
}

async function convertOptions(
  args: Arguments,
  parts: Pick<ConvertOptions, 'to' | 'out' | 'maxShardBytes'> & {
    readonly checkpoint: Checkpoint
    readonly session: Session
    readonly progress: Progress
  },
): Promise<ConvertOptions> {
  const { checkpoint, to, out, maxShardBytes, session, progress } = parts
  return {
    to,
    out,
    dtype: (args.text('dtype') as OutputDType | undefined) ?? usualOutput(checkpoint.parts),
    tokenizer: await loadTokenizer(checkpoint.tokenizerPath),
    tokenizerFiles: new Map(
      tokenizerFiles(checkpoint.tokenizerPath).map((file) => [basename(file), readFileSync(file)]),
    ),
    merged: mergedFiles(checkpoint),
    version: packageVersion(),
    maxShardBytes,
    onProgress: ({ done, total, item }) => progress.update({ stage: 'convert', done, total, item }),
    signal: session.signal,
  }
}

function shardBytes(args: Arguments): number | undefined {
  const bytes = args.number('max-shard-bytes')
  if (bytes === undefined || (Number.isSafeInteger(bytes) && bytes > 0)) return bytes
  throw new UsageError(
    `--max-shard-bytes should be a whole number of bytes from 1, such as 5e9; "${args.text('max-shard-bytes')}" came.`,
  )
}

/** The weight files by name and folder, where there are several kinds of them. */
function mergedFiles({ parts, files }: Checkpoint): string[] {
  if (parts.length === 1 && files.every((file) => dirname(file) === dirname(files[0] ?? '')))
    return []
  return files.map((file) => join(basename(dirname(resolve(file))), basename(file)))
}

/** Writes beside the target and renames, so that it is whole or not there. */
async function writeWhole(
  conversion: Conversion,
  out: string,
): Promise<{ readonly files: readonly string[]; readonly bytes: number }> {
  const temporary = join(dirname(out), `.${basename(out)}.${process.pid}.tmp`)
  try {
    for (const folder of conversion.folders) makeFolderSync(join(temporary, folder))
    const written = await conversion.write(temporary)
    if (existsSync(out)) rmSync(out, { recursive: true })
    renameSync(temporary, out)
    return written
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

type Outcome = {
  readonly source: string
  readonly out: string
  readonly to: ConvertLayout
  readonly files: readonly string[]
  readonly bytes: number
  readonly notices: readonly string[]
}

function report({ terminal }: Session, outcome: Outcome): void {
  if (terminal.isJson) return terminal.json(outcome)
  for (const notice of outcome.notices) terminal.note(`note: ${notice}`)
  terminal.print(`${outcome.out}: ${outcome.to}, ${formatBytes(outcome.bytes)} of weights`)
  for (const file of outcome.files) terminal.print(`  ${file}`)
}
