/** The command line of the benchmark. */
import { existsSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

export type Options = {
  /** Names of rows, or beginnings of names; empty for all. */
  readonly only: readonly string[]
  readonly rounds: number
  readonly layers: number
  readonly workFolder: string
  readonly jsonFile: string | null
  readonly python: string
  readonly threads: number
  /** A folder with a trained mini model, for the cold start. */
  readonly miniFolder: string | null
  /** Small shapes, few tokens, one round. */
  readonly isSmoke: boolean
}

export function usageOf(command: string): string {
  return `${command} -- [options]
  --only ROW,…     rows whose names begin so; --only list prints the names
  --rounds N       alternating rounds (default 5; rows of many seconds take at most 3)
  --layers N       layers of the 7B-shaped decoder (default 8; training takes two)
  --work DIR       where synthetic models are kept (default: llava-ts-bench in the system's temporary folder)
  --json FILE      the figures for a program
  --python FILE    Python with torch, transformers, openvino and nncf (default: bench/.cache/venv, else python3)
  --threads N      threads of every contender (default: the cores)
  --mini FOLDER    the mini model for the cold start (default: its shape with random weights)
  --smoke          small shapes and one round: shows that every row runs; its figures mean nothing`
}

export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', default: '' },
      rounds: { type: 'string', default: '5' },
      layers: { type: 'string', default: '8' },
      work: { type: 'string', default: join(tmpdir(), 'llava-ts-bench') },
      json: { type: 'string' },
      python: { type: 'string' },
      threads: { type: 'string', default: String(availableParallelism()) },
      mini: { type: 'string' },
      smoke: { type: 'boolean', default: false },
    },
  })
  const isSmoke = values.smoke
  return {
    only: values.only.split(',').filter((name) => name !== ''),
    rounds: isSmoke ? 1 : wholeNumber('rounds', values.rounds),
    layers: wholeNumber('layers', values.layers),
    workFolder: values.work,
    jsonFile: values.json ?? null,
    python: values.python ?? defaultPython(),
    threads: wholeNumber('threads', values.threads),
    miniFolder: values.mini ?? null,
    isSmoke,
  }
}

/** Sources of the benchmark; the compiled program lies in build/bench/src. */
export const BENCH_FOLDER = fileURLToPath(new URL('../../../', import.meta.url))

function defaultPython(): string {
  const own = join(BENCH_FOLDER, '.cache/venv/bin/python')
  return existsSync(own) ? own : 'python3'
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1) return value
  throw new Error(`bench: --${name} should be a whole number of at least 1, "${text}" came.`)
}
