import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { llava, PROGRAM } from './run-cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'llava-score-'))
after(() => rmSync(folder, { recursive: true }))

const answers = join(folder, 'answers.jsonl')
const questions = join(folder, 'questions.jsonl')
writeFileSync(answers, '{"question_id": 7, "text": "The Two dogs."}\n')
writeFileSync(questions, '{"question_id": 7, "image": "a.jpg", "text": "q"}\n')
const vizwiz = ['score', 'vizwiz', '--answers', answers, '--questions', questions]

test('score writes the submission and what it was made from', async () => {
  const out = join(folder, 'out')
  const { code, stdout } = await llava([...vizwiz, '--out', out])
  assert.equal(code, 0)
  assert.match(stdout, /1 questions, 1 answers, 0 missing/)
  assert.deepEqual(readdirSync(out).sort(), ['score.json', 'submission.json'])
  const text = readFileSync(join(out, 'submission.json'), 'utf8')
  assert.equal(text, '[{"image": "a.jpg", "answer": "2 dogs"}]')
})

test('a report is written over what score wrote, without what only a run knows, and says so', async () => {
  // It said that there are no results.
  const table = join(folder, 'llava-v1.5-13b.tsv')
  const header = 'index\tquestion\tA\tB\tanswer\tprediction\n'
  writeFileSync(table, `${header}0\tq\tx\ty\tA\tA\n1\tr\tx\ty\tB\tA\n`)
  const scored = join(folder, 'scored/ai2d')
  const ran = await llava(['score', 'ai2d', '--answers', table, '--out', scored])
  assert.equal(ran.code, 0, ran.stderr)
  // Another program's score of the same name ended it.
  mkdirSync(join(folder, 'scored/other'))
  writeFileSync(join(folder, 'scored/other/score.json'), '{ "accuracy": 0.5 }')
  const out = join(folder, 'report')
  const reported = await llava(['eval', 'report', join(folder, 'scored'), '--out', out])
  assert.equal(reported.code, 0, reported.stderr)
  const written = (name: string) => readFileSync(join(out, name), 'utf8')
  assert.match(
    written('report.md'),
    /\| llava-v1\.5-13b \| overall \| 50\.\d+ \| .*\| 2 \| {2}\| `\w{12}` \|\n[^]*`llava score` scored answers/,
  )
  assert.match(written('report.html'), /llava-v1\.5-13b[^]*scored by llava score[^]*Worst answers/)

  // A folder that is named from within was called `.`.
  const within = join(folder, 'llava-v1.5-7b')
  mkdirSync(within)
  renameSync(table, join(within, 'merge.tsv'))
  await llava(['score', 'ai2d', '--answers', `${within}/.`, '--out', scored])
  const modelOf = () => JSON.parse(readFileSync(join(scored, 'score.json'), 'utf8')).model
  assert.equal(modelOf(), 'llava-v1.5-7b')
  // A packed file's ending was part of the name.
  const packed = join(folder, 'llava-v1.6-7b.tsv.gz')
  writeFileSync(packed, gzipSync(readFileSync(join(within, 'merge.tsv'))))
  await llava(['score', 'ai2d', '--answers', packed, '--out', scored])
  assert.equal(modelOf(), 'llava-v1.6-7b')
})

test('a file that was read is not written over', async () => {
  // MM-Vet's truth has the name of what its evaluator takes.
  const home = join(folder, 'kept')
  mkdirSync(home)
  const labels = join(home, 'mm-vet.json')
  const truth = '{"v1_0": {"question": "q", "answer": "a", "capability": ["ocr"]}}'
  writeFileSync(labels, truth)
  const given = join(folder, 'vet.jsonl')
  writeFileSync(given, '{"question_id": "v1_0", "text": "a"}\n')
  const files = ['--answers', given, '--labels', labels]
  const { code, stderr } = await llava(['score', 'mm-vet', ...files, '--out', home])
  assert.equal(code, 1)
  assert.match(
    stderr,
    /kept.mm-vet\.json would be written over; name another --out\. \[INPUT_OUT_INPUT\]/,
  )
  assert.equal(readFileSync(labels, 'utf8'), truth)
  // Of three answers one is to a question that was asked; what is written as it stands may stand there.
  const three = join(home, 'three/mm-vet.json')
  const texts = '{"v1_7": "a", "v1_8": "b", "v1_9": "c"}'
  mkdirSync(dirname(three))
  writeFileSync(three, texts)
  const lossy = ['--answers', three, '--questions', questions, '--out', dirname(three)]
  assert.match((await llava(['score', 'mm-vet', ...lossy])).stderr, /INPUT_OUT_INPUT/)
  assert.equal(readFileSync(three, 'utf8'), texts)
  const submission = join(home, 'submission.json')
  writeFileSync(submission, '[{"image": "a.jpg", "answer": "2 dogs"}]')
  const same = ['--answers', submission, '--questions', questions, '--out', home]
  assert.equal((await llava(['score', 'vizwiz', ...same])).code, 0)
})

test('answers of another set than the usual one have its title and its published rows', async () => {
  const samples = join(folder, '20260101_000000_samples_llava_wilder_medium.jsonl')
  const line = { doc_id: 0, filtered_resps: ['a'], gpt_eval_llava_all: { scores: [10, 6] } }
  writeFileSync(samples, `${JSON.stringify(line)}\n`)
  const { code, stdout } = await llava(['score', 'llava-wilder', '--answers', samples])
  assert.equal(code, 0)
  assert.match(stdout, /LLaVA-Bench \(Wilder, medium\)/)
  assert.match(stdout, /llava-next-110b 72\.5/)
})

test('a submission that the disk does not take is not there, and the message names it', () => {
  const many = (name: string, row: (id: number) => object) => {
    const lines = Array.from({ length: 100 }, (_, id) => `${JSON.stringify(row(id))}\n`)
    writeFileSync(join(folder, name), lines.join(''))
    return join(folder, name)
  }
  const out = join(folder, 'full')
  const answered = many('many-answers', (id) => ({ question_id: id, text: 'red' }))
  const asked = many('many', (id) => ({ question_id: id, image: `${id}.jpg`, text: 'q' }))
  const files = ['--answers', answered, '--questions', asked]
  const command = [process.execPath, PROGRAM, 'score', 'vizwiz', ...files, '--out', out]
  // No file may grow beyond two blocks.
  const limited = ['-c', 'ulimit -f 2; exec "$@"', 'sh', ...command]
  const { status, stderr } = spawnSync('sh', limited, { encoding: 'utf8' })
  assert.equal(status, 1, stderr)
  assert.match(stderr, /full\/submission\.json/)
  assert.deepEqual(readdirSync(out), [])
})

test('score --json is one object with metrics, intervals, counts and the recipe', async () => {
  const reviews = join(folder, 'reviews.jsonl')
  writeFileSync(
    reviews,
    '{"question_id": 1, "tuple": [8, 6]}\n{"question_id": 2, "tuple": [8, 8]}\n',
  )
  const { code, stdout } = await llava(['score', 'llava-bench', '--answers', reviews, '--json'])
  assert.equal(code, 0)
  const report = JSON.parse(stdout) as {
    metrics: { name: string; value: number; interval95: { low: number; high: number } }[]
    recipe: { hash: string }
  }
  const [all] = report.metrics
  assert.deepEqual([all!.name, all!.value, all!.interval95], ['all', 87.5, { low: 75, high: 100 }])
  assert.match(report.recipe.hash, /^[0-9a-f]{64}$/)
  // Rows of one model by two judges were told as two numbers of one.
  const shown = await llava(['score', 'llava-bench', '--answers', reviews])
  assert.match(shown.stdout, /published: llava-v1\.5-7b 65\.4,.*\(.*judge gpt-4-0314\)/)
  assert.match(shown.stdout, /published: .*llava-v1\.5-13b 59\.6 \(.*judge gpt-4-0613\)/)
})

test("MM-Vet's total in the middle of two numbers is that of the evaluator's table", async () => {
  // 16.3 stood above a table with 16.2.
  const grades = [0.1, 0.2, 0.1, 0.25].map((score, i) => [`v1_${i}`, { score: [score] }] as const)
  const truth = grades.map(([id]) => [id, { question: 'q', answer: 'a', capability: ['rec'] }])
  const put = (name: string, entries: readonly (readonly unknown[])[]) => {
    writeFileSync(join(folder, name), JSON.stringify(Object.fromEntries(entries)))
    return join(folder, name)
  }
  const files = ['--answers', put('m_gpt-4-grade.json', grades), '--labels', put('vet.json', truth)]
  const out = join(folder, 'tie')
  const { stdout } = await llava(['score', 'mm-vet', ...files, '--out', out])
  assert.match(stdout, /total +16\.2 /)
  assert.match(readFileSync(join(out, 'cap-score.csv'), 'utf8'), /^m,16\.2,16\.2,/m)
})

test("score takes an evaluator's folder as it lies: parts together, and of tables the predictions", async () => {
  const lmms = join(folder, 'lmms')
  const kit = join(folder, 'kit')
  for (const path of [lmms, kit]) mkdirSync(path)
  for (const task of ['action_sequence', 'action_count']) {
    const rows = ['A', 'B'].map((target, doc_id) =>
      JSON.stringify({ doc_id, target, filtered_resps: ['A'] }),
    )
    const name = `20260101_000000_samples_mvbench_${task}.jsonl`
    writeFileSync(join(lmms, name), `${rows.join('\n')}\n`)
  }
  const mvbench = await llava(['score', 'mvbench', '--answers', lmms])
  assert.equal(mvbench.code, 0, mvbench.stderr)
  assert.match(mvbench.stdout, /overall \(2 of 20 parts\) +50\.0/)
  assert.match(mvbench.stdout, /4 questions, 4 answers, 0 missing/)
  const table = 'index\tquestion\tanswer\tcategory\tprediction\n0\tq\tyes\trandom\tYes\n'
  writeFileSync(join(kit, 'm_POPE.tsv'), table)
  writeFileSync(join(kit, 'm_POPE_auxmatch.tsv'), table.replace('Yes\n', 'No\n'))
  writeFileSync(join(kit, 'm_POPE_score.csv'), '"split","Overall"\n"random","100"\n')
  const pope = await llava(['score', 'pope', '--answers', kit])
  assert.equal(pope.code, 0, pope.stderr)
  assert.match(pope.stdout, /accuracy random +100\.00/)
})

describe('labels that are named', () => {
  const put = (name: string, value: unknown) => {
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value))
    return path
  }
  const turns = [{ value: 'q\nA. x\nB. y' }, { value: 'B' }]
  const asked = put('science/asked/q.json', [{ id: '7', conversations: turns }])
  const problem = { choices: ['x', 'y'], answer: 1, subject: 'natural science', grade: 'grade3' }
  const given = put('science/given.jsonl', '{"question_id": "7", "prompt": "q", "text": "B"}\n')
  const of = (labels: string) =>
    llava(['score', 'scienceqa', '--answers', given, '--questions', asked, '--labels', labels])

  test('are read under names of their own, or refused; files beside them are none', async () => {
    // Files with another beginning were passed over, and half of ScienceQA's numbers with them.
    const problems = put('science/labels/my_problems.json', { 7: problem })
    put('science/labels/my_pid_splits.json', { test: ['7'] })
    put('science/labels/answers/m.json', 'no labels')
    assert.match((await of(join(folder, 'science/labels'))).stdout, /^ {2}NAT /m)
    const { code, stderr } = await of(problems)
    assert.equal(code, 1)
    assert.match(stderr, /problems\.json and pid_splits\.json, .*my_problems\.json came/)
  })

  test('count by their own names before others that are like them; of several such none is guessed', async () => {
    // The first in the alphabet counted: answers of an older release.
    put('older/old_problems.json', { 7: { ...problem, answer: 0 } })
    put('older/problems.json', { 7: problem })
    put('older/pid_splits.json', { test: ['7'] })
    assert.match((await of(join(folder, 'older'))).stdout, /^ {2}accuracy +100\.00/m)
    renameSync(join(folder, 'older/problems.json'), join(folder, 'older/new_problems.json'))
    const { code, stderr } = await of(join(folder, 'older'))
    assert.equal(code, 1)
    assert.match(
      stderr,
      /one file problems\.json, there are new_problems\.json, old_problems\.json;/,
    )
  })

  test('as splits alone say which questions count, whose file holds the truth', async () => {
    const splits = put('splits/pid_splits.json', { test: ['7'], val: ['8'] })
    assert.match((await of(splits)).stdout, /^ {2}accuracy +100\.00/m)
    put('splits/pid_splits.json', { test: ['7', '9'] })
    const { code, stderr } = await of(join(folder, 'splits'))
    assert.equal(code, 1)
    assert.match(stderr, /all 2 that pid_splits\.json has under "test", 1 are not among them \(9\)/)
    const twice = put(
      'science/twice.json',
      ['A', 'B'].map((value) => ({ id: '7', conversations: [turns[0], { value }] })),
    )
    const files = ['--answers', given, '--questions', twice, '--labels', splits]
    assert.match(
      (await llava(['score', 'scienceqa', ...files])).stderr,
      /INPUT_QUESTIONS_DUPLICATE/,
    )
    const alone = await llava(['score', 'scienceqa', '--answers', given, '--labels', splits])
    assert.match(alone.stderr, /INPUT_LABELS_MISSING/)
  })
})

test("folders as LLaVA lays them out are questions and labels: models' answers in them are not", async () => {
  const put = (name: string, content: string) => {
    const path = join(folder, 'llava', name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
    return path
  }
  const line = (row: object) => `${JSON.stringify(row)}\n`
  const other = line({ question_id: 'other', text: 'none of these' })
  const of = (name: string, given: string, ...files: readonly string[]) =>
    llava(['score', name, '--answers', given, ...files])

  const table = 'index\tquestion\tA\tB\tanswer\n1\tq\tx\ty\tB\n'
  put('mmbench/mmbench_dev_en_20231003.tsv', table)
  const choice = line({ question_id: 1, text: 'B', prompt: 'q' })
  const chosen = put('mmbench/answers/mmbench_dev_en_20231003/m.jsonl', choice)
  put('mmbench/answers_upload/mmbench_dev_en_20231003/m.xlsx', 'no spreadsheet')
  const truth = await of('mmbench', chosen, '--labels', join(folder, 'llava/mmbench'))
  assert.match(truth.stdout, /^ {2}circular +100\.00/m, truth.stderr)

  const text = 'Is there a dog?'
  const question = { question_id: 1, image: '1.jpg', text, category: 'random' }
  put('pope/llava_pope_test.jsonl', line(question))
  put('pope/coco/coco_pope_random.json', line({ image: '1.jpg', text, label: 'yes' }))
  const yes = put('pope/answers/m.jsonl', line({ question_id: 1, prompt: text, text: 'yes' }))
  put('pope/answers/other.jsonl', other)
  const home = join(folder, 'llava/pope')
  const found = await of('pope', yes, '--questions', home, '--labels', home)
  assert.match(found.stdout, /^ {2}F1 random +100\.00/m, found.stderr)

  const turns = [{ value: 'q\nA. x\nB. y' }, { value: 'B' }]
  put('scienceqa/llava_test_CQM-A.json', JSON.stringify([{ id: '7', conversations: turns }]))
  put('scienceqa/pid_splits.json', JSON.stringify({ test: ['7'] }))
  const right = line({ question_id: '7', prompt: 'q', text: 'B' })
  const science = put('scienceqa/answers/m.jsonl', right)
  put('scienceqa/answers/m_result.json', '{"acc": 0}')
  const place = join(folder, 'llava/scienceqa')
  const scored = await of('scienceqa', science, '--questions', place, '--labels', place)
  assert.match(scored.stdout, /^ {2}accuracy +100\.00/m, scored.stderr)

  // The submission is of all questions, those that are asked are fewer.
  put('vqav2/llava_vqav2_mscoco_test-dev2015.jsonl', line({ question_id: 1, text: 'q' }))
  put(
    'vqav2/llava_vqav2_mscoco_test2015.jsonl',
    line({ question_id: 1 }) + line({ question_id: 2 }),
  )
  const answered = put('vqav2/answers/m.jsonl', line({ question_id: 1, text: 'a' }))
  const all = await of('vqav2', answered, '--questions', join(folder, 'llava/vqav2'))
  assert.match(all.stdout, /2 questions, 1 answers, 1 missing/, all.stderr)
})

test('score says what is missing: 2 for a wrong command, 1 for wrong files', async () => {
  const without = await llava(['score', 'pope'])
  assert.equal(without.code, 2)
  assert.match(without.stderr, /--answers/)
  const noQuestions = await llava(['score', 'vizwiz', '--answers', answers])
  assert.equal(noQuestions.code, 1)
  assert.match(noQuestions.stderr, /llava_test\.jsonl/)
  const unknown = await llava(['score', 'nope', '--answers', answers])
  assert.equal(unknown.code, 2)
  assert.match(unknown.stderr, /pope/)
  assert.equal((await llava(['eval', 'nope', '--model', 'm'])).code, 2)
})
