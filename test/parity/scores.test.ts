/**
 * Normaliser, scores and written files against the original scripts.
 *
 * LLAVA_FIXTURES names a folder with `original/vqa.json`; without it the copy in `fixtures/eval` is used.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { InputError } from '../../src/core/errors.ts'
import {
  anls,
  normaliseVqaAnswer,
  score,
  textvqaQuestion,
  vqaAccuracy,
  vqaExact,
  vqaScores,
  type EvalFile,
  type ScoreReport,
} from '../../src/eval/index.ts'

type Content = string | object | (string | object)[]
type Script = {
  files: Record<string, Content>
  arguments: string[]
  stdout: string
  written?: Record<string, string>
}
type Recorded = {
  processed: [string, string][]
  answers: {
    answer: string
    truth: string[]
    scores: Record<string, number>
    score: number
    exact: number
  }[]
  stvqa_anls: number[]
  textvqa_questions: [string, string | { error: string }][]
  scripts: Record<string, Script>
}

const FOLDER = process.env['LLAVA_FIXTURES']
const FILE = FOLDER === undefined ? 'fixtures/eval/vqa.json' : join(FOLDER, 'original/vqa.json')
const recorded = (JSON.parse(readFileSync(FILE, 'utf8')) as { LLaVA: Recorded }).LLaVA

/** Sums of a few thirds differ in the last bit between languages' orders at most. */
const SCORE_TOLERANCE = 1e-12

test('answers are normalised as EvalAI does', () => {
  for (const [text, expected] of recorded.processed) {
    assert.equal(normaliseVqaAnswer(text), expected, JSON.stringify(text))
  }
})

test('an answer and every human answer score as in the m4c evaluator', () => {
  recorded.answers.forEach(({ answer, truth, scores, score: expected, exact }, i) => {
    near(vqaAccuracy(answer, truth), expected, answer)
    const ours = vqaScores(truth)
    assert.deepEqual([...ours.keys()].sort(), Object.keys(scores).sort())
    for (const [text, value] of ours) near(value, scores[text]!, text)
    assert.equal(vqaExact(answer, truth), exact)
    near(anls(answer, truth), recorded.stvqa_anls[i]!, answer)
  })
})

test("a TextVQA prompt's question is found, or refused where the original fails", () => {
  for (const [prompt, expected] of recorded.textvqa_questions) {
    if (typeof expected === 'string') assert.equal(textvqaQuestion(prompt), expected)
    else assert.throws(() => textvqaQuestion(prompt), InputError)
  }
})

/** Which benchmark a script belongs to, its arguments' kinds, and our name for each file that it writes. */
const SCRIPTS: Record<
  string,
  {
    benchmark: string
    kinds: Record<string, 'answers' | 'questions' | 'labels'>
    written?: string[]
  }
> = {
  eval_pope: {
    benchmark: 'pope',
    kinds: {
      '--result-file': 'answers',
      '--question-file': 'questions',
      '--annotation-dir': 'labels',
    },
  },
  eval_science_qa: {
    benchmark: 'scienceqa',
    kinds: { '--result-file': 'answers', '--base-dir': 'labels' },
    written: ['scienceqa_output.json', 'scienceqa_result.json'],
  },
  eval_textvqa: {
    benchmark: 'textvqa',
    kinds: { '--result-file': 'answers', '--annotation-file': 'labels' },
  },
  convert_vizwiz_for_submission: {
    benchmark: 'vizwiz',
    kinds: { '--result-file': 'answers', '--annotation-file': 'questions' },
    written: ['submission.json'],
  },
  convert_gqa_for_eval: {
    benchmark: 'gqa',
    kinds: { '--src': 'answers' },
    written: ['testdev_balanced_predictions.json'],
  },
  convert_mmvet_for_eval: {
    benchmark: 'mm-vet',
    kinds: { '--src': 'answers' },
    written: ['mm-vet.json'],
  },
  convert_seed_for_submission: {
    benchmark: 'seed-bench',
    kinds: { '--result-file': 'answers', '--annotation-file': 'labels' },
    written: ['submission.jsonl'],
  },
  summarize_gpt_review: { benchmark: 'llava-bench', kinds: { '-d': 'answers' } },
}

describe('scripts print and write the same', () => {
  for (const [name, { benchmark, kinds, written = [] }] of Object.entries(SCRIPTS)) {
    const script = recorded.scripts[name]
    if (script) {
      test(name, async () => {
        const request = { answers: [], questions: [], labels: [] } as Record<string, EvalFile[]>
        for (const [argument, kind] of Object.entries(kinds)) {
          const path = script.arguments[script.arguments.indexOf(argument) + 1]!
          request[kind] = filesAt(script, path)
        }
        same(await score(benchmark, request as { answers: EvalFile[] }), script, written)
      })
    }
  }

  test('convert_vqav2_for_submission', async () => {
    const script = recorded.scripts['convert_vqav2_for_submission']!
    const paths = Object.keys(script.files)
    const report = await score('vqav2', {
      answers: filesAt(
        script,
        paths.find((path) => path.endsWith('merge.jsonl'))!,
      ),
      questions: filesAt(
        script,
        paths.find((path) => path.endsWith('test2015.jsonl'))!,
      ),
    })
    same(report, script, ['submission.json'])
  })
})

function same(report: ScoreReport, script: Script, names: readonly string[]): void {
  // The converters of GQA and MM-Vet print nothing; what others print, we print.
  if (script.stdout.trim() !== '') assert.equal(report.printed, script.stdout)
  const texts = Object.values(script.written ?? {})
  assert.equal(names.length, texts.length)
  names.forEach((name, i) => assert.equal(report.written[name], texts[i]))
}

function filesAt({ files }: Script, path: string): EvalFile[] {
  return Object.entries(files)
    .filter(([name]) => name === path || name.startsWith(`${path}/`))
    .map(([name, content]) => ({ name, text: textOf(name, content) }))
}

/** Recorded files are values: a list is a file of lines, except where the whole is one JSON value. */
function textOf(name: string, content: Content): string {
  if (typeof content === 'string') return content
  const isLines = Array.isArray(content) && (name.endsWith('.jsonl') || name.includes('coco_pope'))
  if (!isLines) return JSON.stringify(content)
  return content
    .map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`)
    .join('')
}

function near(ours: number, theirs: number, about: string): void {
  assert.ok(Math.abs(ours - theirs) <= SCORE_TOLERANCE, `${about}: ${ours}, recorded ${theirs}`)
}
