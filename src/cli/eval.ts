/** `llava eval`: benchmarks run, compared and reported. */
import { compareResults } from './eval-compare.ts'
import { checkBenchmarks, MIXTURE_OPTIONS } from './eval-contamination.ts'
import { ENGINE_OPTIONS, JUDGE_OPTIONS } from './eval-engines.ts'
import { FILE_OPTIONS } from './eval-files.ts'
import { writeReports } from './eval-report.ts'
import { runBenchmarks } from './eval-run.ts'
import { SPEED_OPTION } from './eval-speed.ts'
import { LOAD_OPTIONS } from './load-flags.ts'
import { wholeFrom0 } from './number-options.ts'
import { UsageError } from './usage-error.ts'
import type { Verb } from './verb.ts'

export const evaluation: Verb = {
  options: [
    {
      name: 'out',
      kind: 'text',
      value: 'folder',
      about: 'Where results go (default: eval-results)',
    },
    {
      name: 'limit',
      kind: 'number',
      value: 'n',
      about: 'The first n questions; with --seed, n drawn ones',
    },
    {
      name: 'seed',
      kind: 'number',
      value: 'n',
      about: 'For drawn questions, intervals and drawn options',
    },
    { name: 'batch', kind: 'number', value: 'n', about: 'Questions asked together (default: 16)' },
    {
      name: 'max-tokens',
      kind: 'number',
      value: 'n',
      about: "Cuts answers sooner than the benchmark's limit",
    },
    { name: 'blind', kind: 'flag', about: 'Ask without pictures: what a guess is worth' },
    SPEED_OPTION,
    ...FILE_OPTIONS,
    ...ENGINE_OPTIONS,
    ...JUDGE_OPTIONS,
    ...MIXTURE_OPTIONS,
    ...LOAD_OPTIONS,
  ],
  examples: [
    'eval quick',
    'eval pope mme --data playground/data/eval --model llava-1.5-7b-hf',
    'eval chartqa --questions ChartQA/test.parquet --limit 200 --seed 1',
    'eval scienceqa --data eval --engine http://127.0.0.1:8000/v1 --model my-model',
    'eval mm-vet --data eval --judge https://api.openai.com/v1 --judge-model gpt-4-0613',
    'eval compare results-a/pope results-b/pope',
    'eval report results-a results-b --out report',
    'eval contamination quick --mixture data/mini/instruction.json',
  ],
  async run(args, session) {
    const [first] = args.positionals
    if (first === undefined) {
      throw new UsageError(
        'llava eval needs a benchmark, such as quick or pope; or compare, report or contamination.',
      )
    }
    wholeFrom0(args, 'seed')
    if (first === 'compare') return compareResults(args, session)
    if (first === 'report') return writeReports(args, session)
    if (first === 'contamination') return checkBenchmarks(args, session)
    return runBenchmarks(args, session)
  },
}
