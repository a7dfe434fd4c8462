/**
 * LLaVA-Bench: open questions; a judge gives the reference and the answer 1 to 10 each, and their ratio is the score.
 *
 * Paper: arXiv:2304.08485 §5.1 (COCO: 90 questions, In-the-Wild: 60); Wilder: LLaVA-NeXT blog 2024-05-10. Data:
 * huggingface.co/datasets/liuhaotian/llava-bench-in-the-wild (no licence named).
 * What scores is the judge's reviews: {"question_id": 0, "category": "llava_bench_conv", "tuple": [8.0, 7.0], "content": "8 7\n…"};
 * the tuple is reference, answer; [-1, -1] where the judge could not be read, counted and left in, as in the original.
 * Official scorer: haotian-liu/LLaVA llava/eval/summarize_gpt_review.py at c121f04. Scores of different judges do not
 * compare: 81.6 with gpt-4-0314 is 72.3 with gpt-4-0613.
 */
import { InputError } from '../../core/errors.ts'
import { countAnswers } from '../answers.ts'
import {
  publishedRows,
  type Benchmark,
  type Metric,
  type Scored,
  type ScoreInput,
} from '../benchmark.ts'
import { readJsonLines, textField, type EvalFile } from '../eval-file.ts'
import { pythonFloat, pythonRound } from '../python-text.ts'

export const llavaBench: Benchmark = {
  name: 'llava-bench',
  title: 'LLaVA-Bench (COCO, In-the-Wild, Wilder)',
  files: { answers: "the judge's reviews, with a tuple of two scores on each line" },
  needs: [],
  rule: 'mean score of the answers over mean score of the references, each rounded to three decimals, in percent',
  score: scoreLlavaBench,
  published: publishedRows(
    'all',
    'haotian-liu/LLaVA docs/MODEL_ZOO.md (In-the-Wild, judge gpt-4-0314)',
    {
      'llava-v1.5-7b': 65.4,
      'llava-v1.5-13b': 72.5,
      'llava-v1.5-7b-lora': 67.9,
      'llava-v1.5-13b-lora': 69.5,
      'llava-v1.6-vicuna-7b': 81.6,
      'llava-v1.6-mistral-7b': 83.2,
      'llava-v1.6-vicuna-13b': 87.3,
      'llava-v1.6-34b': 89.6,
    },
  ),
}

type Review = {
  readonly id: string
  readonly category: string | null
  readonly pair: readonly [number, number]
}

function scoreLlavaBench({ answers: files }: ScoreInput): Scored {
  if (files.length !== 1) {
    throw new InputError(
      'INPUT_ANSWERS_SEVERAL',
      `eval.llava-bench: the reviews of one run should come, ${files.length} files came; give one.`,
    )
  }
  const reviews = files.flatMap(readReviews)
  const ids = reviews.map(({ id }) => id)
  const unreadable = reviews.filter(({ pair }) => pair[0] === -1 && pair[1] === -1).length
  const groups = groupsOf(reviews)
  return {
    counts: countAnswers(ids, new Map(ids.map((id) => [id, id])), unreadable),
    outcomes: reviews.map(({ id, pair: [reference, answer] }) => ({
      id,
      given: '',
      read: `${reference} ${answer}`,
      expected: '',
      score: answer / reference,
    })),
    metrics: groups.map(metricOf),
    printed: printGroups(files[0]?.name ?? '', groups),
  }
}

type Group = readonly [name: string, reviews: readonly Review[]]

/** `all` first in our table: it is the number that is published. */
function groupsOf(reviews: readonly Review[]): Group[] {
  const names = [
    ...new Set(reviews.flatMap(({ category }) => (category === null ? [] : [category]))),
  ]
  return [
    ['all', reviews],
    ...names
      .sort()
      .map((name): Group => [name, reviews.filter(({ category }) => category === name)]),
  ]
}

function metricOf([name, reviews]: Group): Metric {
  const rows = reviews.map(({ pair: [reference, answer] }) => [reference, answer, 1])
  return { name, statistic: { rows, of: (sums) => means(sums).ratio }, unit: 'percent', digits: 1 }
}

function means([reference = 0, answer = 0, count = 0]: readonly number[]) {
  const first = pythonRound(reference / count, 3)
  const second = pythonRound(answer / count, 3)
  return { first, second, ratio: pythonRound((second / first) * 100, 1) }
}

function printGroups(name: string, groups: readonly Group[]): string {
  const config = (name.split('/').at(-1) ?? name)
    .replaceAll('gpt4_text_', '')
    .replaceAll('.jsonl', '')
  const sorted = [...groups].sort(([a], [b]) => (a < b ? -1 : 1))
  const lines = sorted.map(([group, reviews]) => {
    const sums = [0, 1].map((k) => reviews.reduce((sum, { pair }) => sum + (pair[k] ?? 0), 0))
    const { first, second, ratio } = means([...sums, reviews.length])
    const tenfold = [first, second].map((mean) => pythonRound(mean * 10, 1))
    return [group, ...[ratio, ...tenfold].map(pythonFloat)].join(' ')
  })
  return `${[config, ...lines].join('\n')}\n=================================\n`
}

function readReviews(file: EvalFile): Review[] {
  return readJsonLines(file).map((row) => {
    const pair: unknown = row['tuple'] ?? row['score']
    const [reference, answer] = Array.isArray(pair) ? (pair as readonly unknown[]) : []
    const id = textField(row, 'question_id', file)
    if (typeof reference !== 'number' || typeof answer !== 'number') {
      throw new InputError(
        'INPUT_ANSWERS_FIELD',
        `eval.llava-bench: every review of ${file.name} should have "tuple", two numbers; question ${id} has ${JSON.stringify(pair)}. Answers need a judge first.`,
      )
    }
    const category = typeof row['category'] === 'string' ? row['category'] : null
    return { id, category, pair: [reference, answer] }
  })
}
