/** VLMEvalKit's tables and the datasets' own files are asked and scored as the hub's tables are. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { EvalFile } from '../eval-file.ts'
import { releasedFiles, type Question } from '../question.ts'
import { findBenchmark, score } from '../score.ts'
import { jsonFile, jsonLines, metricValues as values } from '../../../test/eval-files.ts'

const SHORT = 'Answer the question using a single word or phrase.'
const LETTER = "Answer with the option's letter from the given choices directly."
/** Base64 longer than any file name. */
const PICTURE = Buffer.from(Uint8Array.from({ length: 300 }, (_, i) => i % 256)).toString('base64')

function tsv(name: string, rows: readonly Readonly<Record<string, string | number>>[]): EvalFile {
  const columns = Object.keys(rows[0]!)
  const lines = [columns, ...rows.map((row) => columns.map((column) => row[column]))]
  return { name, text: `${lines.map((line) => line.join('\t')).join('\n')}\n` }
}

/** The pictures of a question whose row holds them. */
async function opened({ images }: Question): Promise<unknown[]> {
  return Promise.all(images.map((one) => (typeof one === 'function' ? one() : one)))
}

/** Asks, answers each question with the text in its place, and scores. */
async function run(name: string, file: EvalFile, texts: readonly string[]) {
  const benchmark = findBenchmark(name)
  const { questions, labels } = releasedFiles(benchmark.ask, { questions: [file], labels: [] })
  const asked = benchmark.ask!.questions(questions)
  const answers = asked.map(({ id, prompt }, i) => ({ question_id: id, prompt, text: texts[i] }))
  const truth = labels.length > 0 ? labels : benchmark.ask!.hasTruth ? questions : []
  const scored = await score(name, {
    answers: [jsonLines('answers.jsonl', answers)],
    ...(benchmark.files.questions === undefined ? {} : { questions }),
    ...(benchmark.files.labels === undefined ? {} : { labels: truth }),
  })
  return { asked, scored }
}

describe('tables of VLMEvalKit', () => {
  const choice = { index: 7, image: PICTURE, question: 'Which?', A: 'x', B: 'y', C: 'z', D: 'w' }

  test('SEEDBench_IMG, with types by their names', async () => {
    const rows = [{ ...choice, answer: 'B', category: 'Instance Identity' }]
    const { asked, scored } = await run('seed-img', tsv('SEEDBench_IMG.tsv', rows), ['B'])
    assert.equal(asked[0]!.prompt, `Which?\nA. x\nB. y\nC. z\nD. w\n${LETTER}`)
    assert.deepEqual(await opened(asked[0]!), [new Uint8Array(Buffer.from(PICTURE, 'base64'))])
    assert.deepEqual(values(scored), {
      accuracy: 100,
      'accuracy image': 100,
      'Instance Identity': 100,
    })
  })

  test('ScienceQA_TEST, ids by index and hints as contexts', async () => {
    const rows = [{ ...choice, answer: 'B', hint: 'Because.', category: 'c', split: 'test' }]
    const { asked, scored } = await run('scienceqa', tsv('ScienceQA_TEST.tsv', rows), ['B'])
    assert.equal(asked[0]!.prompt, `Context: Because.\nWhich?\nA. x\nB. y\nC. z\nD. w\n${LETTER}`)
    assert.equal(asked[0]!.id, '7')
    assert.equal(values(scored)['accuracy IMG'], 100)
  })

  test('MMMU_DEV_VAL: dev is left out, pictures are a printed list in the order of their numbers', async () => {
    const other = Buffer.from(new Uint8Array(300)).toString('base64')
    const row = (id: string, split: string) => ({
      ...choice,
      id,
      question: 'See <image 2>',
      image: `['${PICTURE}', '${other}']`,
      answer: 'D',
      split,
      question_type: 'multiple-choice',
    })
    const file = tsv('MMMU_DEV_VAL.tsv', [
      row('dev_Art_1', 'dev'),
      row('validation_Art_1', 'validation'),
    ])
    const { asked, scored } = await run('mmmu', file, ['D'])
    assert.deepEqual(
      asked.map(({ id }) => id),
      ['validation_Art_1'],
    )
    assert.deepEqual(await opened(asked[0]!), [new Uint8Array(300)])
    assert.deepEqual([values(scored)['accuracy'], scored.counts.questions], [100, 1])
  })

  test('ChartQA_TEST: answers are printed lists', async () => {
    const rows = [
      { index: 0, question: 'q', answer: "['A']", image: PICTURE, split: 'test_human' },
      { index: 1, question: 'q', answer: "['14', '15']", image: 0, split: 'test_augmented' },
    ]
    const { asked, scored } = await run('chartqa', tsv('ChartQA_TEST.tsv', rows), ['a', '15'])
    assert.deepEqual(values(scored), { overall: 100, human: 100, augmented: 100 })
    const [first, second] = await Promise.all(asked.map(opened))
    assert.deepEqual(second, first, 'a picture by the index of its row')
  })

  test('TextVQA_VAL without OCR tokens, which it has not', async () => {
    const printed = `[${Array.from({ length: 10 }, () => "'nokia'").join(', ')}]`
    const file = tsv('TextVQA_VAL.tsv', [
      { index: 3, question: 'what is it?', answer: printed, image: PICTURE },
    ])
    const { asked, scored } = await run('textvqa-no-ocr', file, ['Nokia'])
    assert.equal(asked[0]!.prompt, `What is it?\n${SHORT}`)
    assert.equal(values(scored)['accuracy'], 100)
    await assert.rejects(run('textvqa', file, ['x']), { code: 'INPUT_QUESTIONS_FOREIGN' })
  })

  test('MathVista_MINI: the query is the question, decimals are those of the truth', async () => {
    const row = {
      image: PICTURE,
      question: 'Hint: h Question: q',
      answer_option: '',
      task: 't',
      skills: "['s']",
    }
    const rows = [
      {
        index: 1,
        ...row,
        answer: '1.2',
        question_type: 'free_form',
        answer_type: 'float',
        choices: '[]',
      },
      {
        index: 2,
        ...row,
        answer: 'y',
        question_type: 'multi_choice',
        answer_type: 'text',
        choices: "['x', 'y']",
      },
    ]
    const { asked, scored } = await run('mathvista', tsv('MathVista_MINI.tsv', rows), ['1.24', 'B'])
    assert.equal(asked[0]!.prompt, 'Hint: h Question: q')
    assert.equal(values(scored)['accuracy'], 100)
  })

  test('MME and POPE: pairs of a picture, and rows of several categories', async () => {
    const mme = ['Yes', 'No'].map((answer, i) => ({
      index: i,
      category: 'existence',
      image_path: 'images/existence/1.jpg',
      question: `Is ${i}? Please answer yes or no.`,
      answer,
      image: PICTURE,
    }))
    const pairs = await run('mme', tsv('MME.tsv', mme), ['Yes', 'No'])
    assert.equal(pairs.asked[0]!.prompt, `Is 0?\n${SHORT}`)
    assert.equal(values(pairs.scored)['existence'], 200)
    const pope = [
      {
        index: 0,
        image: PICTURE,
        question: 'Is there a cat?',
        answer: 'Yes',
        category: 'random,popular',
      },
      { index: 1, image: PICTURE, question: 'Is there a dog?', answer: 'No', category: 'random' },
    ]
    const three = await run('pope', tsv('POPE.tsv', pope), ['Yes', 'Yes', 'No'])
    assert.equal(three.asked.length, 3)
    assert.deepEqual(
      ['accuracy random', 'accuracy popular'].map((name) => values(three.scored)[name]),
      [100, 100],
    )
  })

  test('MMVet, LLaVABench and BLINK', async () => {
    const vet = tsv('MMVet.tsv', [
      { index: 'v1_0', image: PICTURE, question: 'q', answer: 'a', category: 'ocr,math' },
    ])
    const { ask } = findBenchmark('mm-vet')
    const made = releasedFiles(ask, { questions: [vet], labels: [] })
    assert.deepEqual(ask!.questions(made.questions)[0]!.truth, 'v1_0')
    assert.deepEqual(JSON.parse(made.labels[0]!.text), {
      v1_0: { question: 'q', answer: 'a', capability: ['ocr', 'math'] },
    })
    const rows = [0, 1].map((index) => ({
      index,
      image: PICTURE,
      question: `q${index}`,
      category: 'conv',
      caption: `c${index}`,
      gpt4_ans: `r${index}`,
    }))
    const bench = findBenchmark('llava-bench')
    const files = releasedFiles(bench.ask, { questions: [tsv('LLaVABench.tsv', rows)], labels: [] })
    assert.deepEqual(
      bench.ask!.questions(files.questions).map(({ prompt }) => prompt),
      ['q0', 'q1'],
    )
    const answers = [{ id: '1', text: 'said', row: {} }]
    const [task] = bench.judge!.tasks({ answers, ...files })
    assert.match(
      task!.messages[1]!.content,
      /^\[Context\]\nc1\n\n\[Question\]\nq1\n\n\[Assistant 1\]\nr1\n/,
    )
    const blink = tsv('BLINK.tsv', [
      { ...choice, image: `['${PICTURE}', '${PICTURE}']`, answer: 'B', category: 'Counting' },
    ])
    const several = await run('blink', blink, ['(B)'])
    assert.match(
      several.asked[0]!.prompt,
      /Which\?\nSelect from the following choices\.\n\(A\) x\n\(B\) y\n\(C\) z\n\(D\) w$/,
    )
    assert.equal(several.asked[0]!.images.length, 2)
    assert.equal(values(several.scored)['overall'], 100)
  })
})

test('LLaVA-Bench of the hub: a folder that is questions and labels at once gives the judge all it needs', () => {
  const picture = async () => new Uint8Array(1)
  const row = { question_id: 3, question: 'q', image: picture, category: 'conv' }
  const tables: EvalFile[] = [
    { name: 'data/train-0.parquet', text: '', rows: [{ ...row, caption: 'c', gpt_answer: 'r' }] },
  ]
  for (const name of ['llava-bench', 'llava-bench-coco']) {
    const { ask, judge } = findBenchmark(name)
    const files = releasedFiles(ask, { questions: tables, labels: tables })
    assert.deepEqual(ask!.questions(files.questions)[0]!.images, [picture])
    const [task] = judge!.tasks({ answers: [{ id: '3', text: 'said', row: {} }], ...files })
    assert.match(
      task!.messages[1]!.content,
      /^\[Context\]\nc\n\n\[Question\]\nq\n\n\[Assistant 1\]\nr\n/,
    )
  }
})

describe('the datasets’ own files', () => {
  test('DocVQA and InfographicVQA: rows below "data", pictures by their files', async () => {
    const row = { questionId: 5, question: 'q', answers: ['A'], data_split: 'val' }
    const doc = { dataset_name: 'docvqa', data: [{ ...row, image: 'documents/d.png' }] }
    const info = { dataset_name: 'infographicVQA', data: [{ ...row, image_local_name: '5.jpeg' }] }
    const first = await run('docvqa', jsonFile('val_v1.0.json', doc), ['a'])
    assert.deepEqual(first.asked[0]!.images, ['documents/d.png'])
    const second = await run('infovqa', jsonFile('infographicsVQA_val_v1.0_withQT.json', info), [
      'a',
    ])
    assert.deepEqual(second.asked[0]!.images, ['5.jpeg'])
    assert.deepEqual(
      [values(first.scored), values(second.scored)],
      [{ overall: 100 }, { overall: 100 }],
    )
  })

  test('ChartQA: two files of pictures, queries and labels, counted each', async () => {
    const file = (name: string) => jsonFile(name, [{ imgname: '1.png', query: 'q', label: '10' }])
    const { ask } = findBenchmark('chartqa')
    const files = [file('test/test_augmented.json'), file('test/test_human.json')]
    const asked = ask!.questions(files)
    assert.deepEqual(
      asked.map(({ id, images }) => [id, images]),
      [
        ['test_augmented/0', ['1.png']],
        ['test_human/0', ['1.png']],
      ],
    )
    const answers = [jsonLines('a.jsonl', [{ question_id: 'test_human/0', text: '10.4' }])]
    assert.deepEqual(values(await score('chartqa', { answers, labels: files })), {
      overall: 50,
      augmented: 0,
      human: 100,
    })
  })

  test('SEED-Bench.json, pictures as its archive and LLaVA’s script name them', async () => {
    const row = {
      question: 'q',
      choice_a: 'x',
      choice_b: 'y',
      choice_c: 'z',
      choice_d: 'w',
      answer: 'A',
    }
    const questions = [
      { ...row, question_id: '1', data_id: '14_25', data_type: 'image', question_type_id: 1 },
      { ...row, question_id: '2', data_id: 'v.mp4', data_type: 'video', question_type_id: 10 },
    ]
    const file = jsonFile('SEED-Bench.json', {
      question_type: { 'Scene Understanding': 1 },
      questions,
    })
    const { asked, scored } = await run('seed-bench', file, ['A', 'B'])
    assert.deepEqual(
      asked.map(({ images }) => images),
      [['SEED-Bench-image/14_25'], ['SEED-Bench-video-image/10_2.png']],
    )
    assert.equal(values(scored)['accuracy'], 50)
    assert.equal((await run('seed-img', file, ['A'])).asked.length, 1)
  })

  test('NLVR2: sentences with two pictures, of the hub and of the authors', async () => {
    const picture = async () => new Uint8Array(1)
    const hub: EvalFile = {
      name: 'data/balanced_test_public-0.parquet',
      text: '',
      rows: [
        {
          question_id: 'b0',
          question: 'A dog.',
          answer: 'True',
          left_image: picture,
          right_image: picture,
        },
      ],
    }
    const own = jsonLines('test1.json', [
      {
        sentence: 'A dog.',
        identifier: 'test1-0-1-0',
        label: 'False',
        left_url: 'u',
        right_url: 'u',
      },
    ])
    const first = await run('nlvr2', hub, ['True'])
    const second = await run('nlvr2', own, ['B'])
    assert.match(
      first.asked[0]!.prompt,
      /^<image> <image> Here is a statement describing these 2 images: A dog\. Is it true or false\?\nA\. True\nB\. False\n/,
    )
    assert.equal(first.asked[0]!.images.length, 2)
    assert.equal(second.asked[0]!.prompt, first.asked[0]!.prompt)
    assert.deepEqual(second.asked[0]!.images, ['test1-0-1-img0.png', 'test1-0-1-img1.png'])
    assert.deepEqual(
      [values(first.scored), values(second.scored)],
      [{ overall: 100 }, { overall: 100 }],
    )
  })
})
