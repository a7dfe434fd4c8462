/** Results on the disk, of `llava eval` with their examples and of `llava score`, below one folder or several. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { InputError } from '../core/errors.ts'
import { parseResult, type ComparedResult } from './compare-results.ts'
import type { EvalReport } from './evaluate-node.ts'
import type { ReportedResult } from './report.ts'
import { EXAMPLES, readExample, worstOf } from './result-files-node.ts'

const SCORE = 'score.json'
const NAMES = ['result.json', SCORE]

/** A result file, or the one in the folder. Throws InputError for what is none. */
export function readResult(path: string): ComparedResult {
  const file = resultFile(path)
  if (file !== null) return parseResult(parseJson(file), file)
  throw new InputError(
    'INPUT_RESULT_MISSING',
    `eval: ${path} should be a result file, or a folder with result.json or score.json; there is none.`,
  )
}

/** Who judged the score of the result in the folder; nobody where there is none. */
export function judgesOfResult(folder: string): string[] {
  const file = join(folder, 'result.json')
  if (!existsSync(file)) return []
  const { metrics = [], judged = [] } = parseJson(file) as Partial<EvalReport>
  return metrics.length > 0 ? judged.map(({ judge }) => judge) : []
}

/** Every result of `llava eval` and `llava score` in the folders and below them, by path. */
export function readReports(paths: readonly string[]): ReportedResult[] {
  const found = paths.map((path) => ({ path, results: resultsBelow(path) }))
  const empty = found.filter(({ results }) => results.length === 0).map(({ path }) => path)
  if (empty.length === 0 && paths.length > 0)
    return found.flatMap(({ results }) => results.map(reportOf))
  throw new InputError(
    'INPUT_RESULT_MISSING',
    `eval: there should be results (${NAMES.join(', ')}) below ${empty.join(', ')}, there are none; name folders that llava eval or llava score --out wrote.`,
  )
}

type Found = { readonly file: string; readonly value: unknown }

function resultsBelow(path: string): Found[] {
  if (!existsSync(path)) return []
  if (!statSync(path).isDirectory()) return [{ file: path, value: parseJson(path) }]
  const folders = readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => NAMES.includes(basename(name)))
    .map((name) => join(path, dirname(name)))
  return [...new Set(folders)]
    .sort()
    .flatMap((folder) => resultFile(folder) ?? [])
    .map((file) => ({ file, value: parseJson(file) }))
    .filter(({ file, value }) => basename(file) !== SCORE || isOfScore(value))
}

/** Other programs call their scores `score.json` too: what is found and holds nothing of ours is none of ours. */
function isOfScore(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && ('outcomes' in value || 'benchmark' in value)
  )
}

function reportOf({ file, value }: Found): ReportedResult {
  const { outcomes } = parseResult(value, file)
  const report = value as WrittenResult // its fields were written by this program
  const examples = worstOf(outcomes, EXAMPLES).map((outcome, i) => {
    return { outcome, pictures: readExample(dirname(file), i) }
  })
  const {
    model = basename(dirname(resolve(file))),
    run = { model },
    judged = [],
    agreement = null,
  } = report
  return { ...report, run, judged, agreement, examples }
}

/** `llava score` knows no run, and has judges where one was asked; `model` is what its answers' file is called. */
type WrittenResult = Omit<ReportedResult, 'examples' | Optional> &
  Partial<Pick<ReportedResult, Optional>> & { readonly model?: string }
type Optional = 'run' | 'judged' | 'agreement'

function resultFile(path: string): string | null {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat?.isFile()) return path
  return NAMES.map((name) => join(path, name)).find((file) => existsSync(file)) ?? null
}

function parseJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new InputError('INPUT_RESULT_BROKEN', `eval: ${file} should be JSON; is it cut off?`, {
      cause,
    })
  }
}
