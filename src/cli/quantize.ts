/** `llava quantize`: the quantised copy of a checkpoint made ahead of time. */
import { statSync } from 'node:fs'
import { quantizeModel, type QuantizedModel } from '../quantize-model.ts'
import { formatBytes, formatTable } from './format.ts'
import {
  CHECKPOINT_OPTIONS,
  checkpointOptions,
  PRECISION_OPTIONS,
  precisionOptions,
} from './load-flags.ts'
import { Progress } from './progress.ts'
import type { Verb } from './verb.ts'

export const quantize: Verb = {
  options: [...PRECISION_OPTIONS, ...CHECKPOINT_OPTIONS],
  examples: [
    'quantize llava-1.5-7b-hf --precision int8',
    'quantize llava-1.5-7b-hf --precision int8+q4 --cache-dir /data/llava-cache',
  ],
  async run(args, session) {
    const { terminal, signal } = session
    const name = args.positionals[0] as string
    const progress = new Progress(terminal)
    const start = performance.now()
    const options = { ...checkpointOptions(args, session), ...precisionOptions(args) }
    const made = await quantizeModel(name, {
      ...options,
      signal,
      onProgress: progress.update,
    }).finally(() => progress.end())
    const report = reportOf(name, made, performance.now() - start)
    if (terminal.isJson) terminal.json(report)
    else for (const line of reportLines(report)) terminal.print(line)
  },
}

function reportOf(model: string, { precision, files }: QuantizedModel, totalMs: number) {
  return {
    model,
    precision: precision.name,
    reason: precision.reason,
    files: files.map(({ part, file, isNew }) => ({
      part,
      file,
      isNew,
      bytes: statSync(file).size,
    })),
    totalMs,
  }
}

function reportLines({
  model,
  precision,
  reason,
  files,
  totalMs,
}: ReturnType<typeof reportOf>): string[] {
  const head = `${model} in ${precision} (${reason})`
  if (files.length === 0) return [`${head}: nothing is quantised`]
  const rows = files.map(({ part, file, isNew, bytes }) => [
    part,
    formatBytes(bytes),
    isNew ? 'made' : 'was there',
    file,
  ])
  return [
    `${head}, ${(totalMs / 1000).toFixed(1)} s`,
    ...formatTable(rows).map((line) => `  ${line}`),
  ]
}
