import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { CapacityError, InputError } from '../core/errors.ts'
import type { AnswerEngine, EngineAnswer, EngineRequest } from './answer-engine.ts'
import { AnswerJournal, readWholeLines } from './answer-journal-node.ts'
import { questionKeys, type Question } from './question.ts'
import { runQuestions, type RunRequest, type RunState } from './run-questions.ts'
import { selectQuestions } from './select-questions.ts'

const folder = mkdtempSync(join(tmpdir(), 'llava-run-'))
after(() => rmSync(folder, { recursive: true }))
let files = 0
const fresh = () => join(folder, `${files++}.jsonl`)

const questions = Array.from({ length: 10 }, (_, i): Question => ({
  id: i,
  prompt: `q${i}`,
  images: [`${i}.png`],
  maxTokens: 5,
}))

function engine(
  name: string,
  answer: (request: EngineRequest) => EngineAnswer = (request) => ({
    text: textOf(request),
    finishReason: 'stop',
  }),
) {
  const toy = { name, identity: { name: 'toy' }, asked: 0, atOnce: 0, most: 0 }
  return Object.assign(toy, {
    async answer(request: EngineRequest): Promise<EngineAnswer> {
      toy.asked++
      toy.most = Math.max(toy.most, ++toy.atOnce)
      await new Promise((done) => setImmediate(done))
      toy.atOnce--
      return answer(request)
    },
  } satisfies Pick<AnswerEngine, 'answer'>)
}

function textOf({ messages }: EngineRequest): string {
  const content = messages[0]!.content
  if (typeof content === 'string') return content
  return content
    .map((part) =>
      part.type === 'text' ? part.text : part.type === 'image' ? String(part.image) : '',
    )
    .join('|')
}

async function run(path: string, parts: Partial<RunRequest>): Promise<RunState> {
  using journal = new AnswerJournal(path)
  return await runQuestions({
    questions,
    engines: [engine('a')],
    journal,
    batch: 3,
    openPicture: async (picture) => String(picture),
    openVideo: (name) => name,
    now: () => 0,
    ...parts,
  })
}

const idsOf = (path: string) => readWholeLines(path).map((line) => line['question_id'])

test('every question is asked once, several at a time, with its picture before its text', async () => {
  const path = fresh()
  const toy = engine('toy')
  const state = await run(path, { engines: [toy] })
  assert.deepEqual([toy.asked, toy.most], [10, 3])
  assert.deepEqual([state.done, state.total, state.errors], [10, 10, 0])
  const [first] = readWholeLines(path)
  assert.deepEqual(first, {
    question_id: 0,
    prompt: 'q0',
    text: '0.png|q0',
    model_id: 'toy',
    metadata: { finishReason: 'stop' },
  })
})

test('several engines share the questions, and none is asked twice', async () => {
  const path = fresh()
  const engines = [engine('a'), engine('b')]
  await run(path, { engines, batch: 2 })
  assert.ok(engines.every(({ asked }) => asked > 0))
  assert.deepEqual(
    idsOf(path)
      .map(Number)
      .sort((a, b) => a - b),
    questions.map(({ id }) => id),
  )
})

describe('a run that was killed', () => {
  test('goes on with the questions that have no whole line; a torn line is asked again', async () => {
    const path = fresh()
    await run(path, { questions: questions.slice(0, 4) })
    const whole = readFileSync(path, 'utf8')
    for (const torn of [
      '',
      '{"question_id":4,"prompt":"q4","te',
      '{"question_id":4,"prompt":"q4","text":"x"}',
    ]) {
      writeFileSync(path, whole + torn)
      const toy = engine('toy')
      await run(path, { engines: [toy] })
      assert.deepEqual(
        idsOf(path),
        questions.map(({ id }) => id),
      )
      assert.equal(toy.asked, 6)
    }
  })

  test('leaves a lock that does not hold up the next, while a living one does', () => {
    const path = fresh()
    writeFileSync(`${path}.lock`, '2147483646')
    using _journal = new AnswerJournal(path)
    writeFileSync(`${path}.lock`, String(process.ppid))
    assert.throws(() => new AnswerJournal(path), { code: 'INPUT_OUT_BUSY' })
  })

  test('refuses a file with a broken line before its end', () => {
    const path = fresh()
    writeFileSync(path, 'broken\n{"question_id":1,"prompt":"q"}\n')
    assert.throws(() => new AnswerJournal(path), { code: 'INPUT_ANSWERS_BROKEN' })
    rmSync(`${path}.lock`)
  })
})

test('what cannot be asked is on record with its reason, and asked again by the next run', async () => {
  const path = fresh()
  const openPicture = async (picture: unknown) => {
    if (picture === '3.png') throw new InputError('INPUT_PICTURE_MISSING', 'no 3.png')
    return String(picture)
  }
  const failing = engine('toy', (request) =>
    textOf(request).includes('q5') ? { error: 'too long' } : { text: 'x', finishReason: 'stop' },
  )
  const state = await run(path, { engines: [failing], openPicture })
  assert.equal(state.errors, 2)
  const errors = readWholeLines(path).flatMap(
    ({ metadata }) => (metadata as { error?: string }).error ?? [],
  )
  assert.deepEqual(errors, ['no 3.png', 'too long'])
  assert.equal(readWholeLines(path).length, 10)
  // A second run over nothing but these ended as if the engine were down.
  assert.equal((await run(path, { engines: [failing], openPicture })).errors, 2)
  await run(path, {})
  assert.equal((await run(path, {})).errors, 0)
  assert.equal(new Set(idsOf(path)).size, 10)
  assert.equal(idsOf(path).length, 10)
})

test('an engine that answers nothing any more ends the run, and what was answered stays', async () => {
  const path = fresh()
  const dying = engine('toy', (request) =>
    /q[0-3]$/.test(textOf(request)) ? { text: 'x', finishReason: 'stop' } : { error: 'gone' },
  )
  await assert.rejects(run(path, { engines: [dying], batch: 2 }), (error: Error) => {
    assert.ok(error instanceof CapacityError)
    assert.match(error.message, /gone/)
    return true
  })
  await run(path, {})
  assert.deepEqual(
    idsOf(path)
      .map(Number)
      .sort((a, b) => a - b),
    questions.map(({ id }) => id),
  )
})

test('questions that do not fit, however many in a row, are no sign of an engine that is gone', async () => {
  // Forty-eight that were too long ended a run, and each call after it in the same place.
  const path = fresh()
  const small = engine('toy', (request) =>
    /q[0-8]$/.test(textOf(request))
      ? { error: 'too long', isOfQuestion: true }
      : { text: 'x', finishReason: 'stop' },
  )
  const state = await run(path, { engines: [small], batch: 1 })
  assert.deepEqual([state.done, state.errors, small.asked], [10, 9, 10])
  assert.deepEqual(readWholeLines(path)[0]!['metadata'], { error: 'too long' })
})

describe('of several engines', () => {
  const answering = () => engine('well')
  const refusing = (form: RegExp, fault = 'gone') =>
    engine('ill', (request) =>
      form.test(textOf(request))
        ? { error: fault }
        : { text: textOf(request), finishReason: 'stop' },
    )

  test('one that dies takes no question with it', async () => {
    // The whole run ended, and what the dead server had been asked was on record as wrong.
    for (const from of [0, 3, 7]) {
      const path = fresh()
      let calls = 0
      const dying = engine('ill', (request) =>
        calls++ < from ? { text: textOf(request), finishReason: 'stop' } : { error: 'gone' },
      )
      const state = await run(path, { engines: [dying, answering()], batch: 2 })
      assert.deepEqual([state.done, state.errors], [10, 0])
      assert.deepEqual(
        idsOf(path)
          .map(Number)
          .sort((a, b) => a - b),
        questions.map(({ id }) => id),
      )
      assert.ok(dying.asked <= from + 8, 'it is asked no more')
    }
  })

  test('what none can answer is on record once, and the run ends when all are gone', async () => {
    const path = fresh()
    const engines = [refusing(/q[57]/, 'too long'), refusing(/q[57]/, 'too long')]
    const state = await run(path, { engines, batch: 2 })
    assert.deepEqual([state.done, state.errors], [10, 2])
    assert.deepEqual(
      engines.map(({ asked }) => asked).reduce((a, b) => a + b),
      12,
    )
    await assert.rejects(run(fresh(), { engines: [refusing(/q/), refusing(/q/)], batch: 1 }), {
      code: 'CAPACITY_ENGINE_DOWN',
    })
  })
})

test('where no question can be asked, that is no fault of the engine', async () => {
  const path = fresh()
  const toy = engine('toy')
  const bare = questions.map((question) => ({ ...question, images: [], isVisual: true }))
  await assert.rejects(run(path, { engines: [toy], questions: bare }), {
    code: 'INPUT_QUESTIONS_UNASKED',
    message: /should have a picture/,
  })
  assert.equal(toy.asked, 0)
})

test('aborting stops, keeps nothing half, and throws the reason', async () => {
  const path = fresh()
  const controller = new AbortController()
  const stopping = engine('toy', () => {
    controller.abort(new Error('enough'))
    return { text: 'late', finishReason: 'abort' }
  })
  await assert.rejects(run(path, { engines: [stopping], signal: controller.signal }), /enough/)
  assert.deepEqual(idsOf(path), [])
})

test('progress tells what is left at the pace of this run', async () => {
  const path = fresh()
  await run(path, { questions: questions.slice(0, 4) })
  let clock = 0
  const states: RunState[] = []
  await run(path, {
    now: () => (clock += 1000),
    batch: 2,
    onProgress: (state) => states.push(state),
  })
  assert.equal(states[0]!.secondsLeft, null)
  // One of six after two ticks of the clock: five are left, at the same pace.
  const [, second] = states
  assert.deepEqual([second!.done, second!.secondsLeft], [5, 10])
})

test('pictures stand where the prompt says, blind runs have none, and longest answers can be cut', async () => {
  const path = fresh()
  const asked: EngineRequest[] = []
  const toy = engine('toy', (request) => {
    asked.push(request)
    return { text: '', finishReason: 'stop' }
  })
  const question: Question = {
    id: 1,
    prompt: 'a <image> b <image>',
    images: ['1.png', '2.png'],
    isInterleaved: true,
    maxTokens: 9,
  }
  await run(path, { engines: [toy], questions: [question], maxTokens: 4 })
  await run(fresh(), { engines: [toy], questions: [question], isBlind: true })
  assert.deepEqual(asked.map(textOf), ['a |1.png| b |2.png', 'a  b'])
  assert.deepEqual(
    asked.map(({ maxTokens }) => maxTokens),
    [4, 9],
  )
})

test('a film is asked about between its seconds, a clip that is cut already as it is', async () => {
  const asked: unknown[] = []
  const toy = engine('toy', ({ messages }) => {
    asked.push((messages[0]!.content as object[])[0])
    return { text: 'x', finishReason: 'stop' }
  })
  const question: Question = {
    id: 1,
    prompt: 'q',
    images: [],
    maxTokens: 9,
    video: 'a.mp4',
    seconds: { start: 1, end: 2.5, fps: 3, cutIn: 'cut_segment' },
  }
  for (const place of ['films/a.mp4', 'cut_segment/a.mp4']) {
    await run(fresh(), { engines: [toy], questions: [question], openVideo: () => place })
  }
  assert.deepEqual(asked, [
    { type: 'video', video: 'films/a.mp4', start: 1, end: 2.5, fps: 3 },
    { type: 'video', video: 'cut_segment/a.mp4' },
  ])
})

test('questions alike but for their place have keys of their own', () => {
  assert.equal(new Set(questionKeys([questions[0]!, questions[0]!, questions[1]!])).size, 3)
})

test('a limit takes the first questions, a seed draws them, and groups stay whole', () => {
  const grouped = questions.map((question, i) => ({ ...question, group: String(i >> 1) }))
  assert.deepEqual(selectQuestions(questions, { limit: 3 }), questions.slice(0, 3))
  assert.equal(selectQuestions(grouped, { limit: 3 }).length, 4)
  const drawn = selectQuestions(questions, { limit: 4, seed: 1 }).map(({ id }) => id)
  assert.deepEqual(
    drawn,
    selectQuestions(questions, { limit: 4, seed: 1 }).map(({ id }) => id),
  )
  assert.notDeepEqual(
    drawn,
    selectQuestions(questions, { limit: 4, seed: 2 }).map(({ id }) => id),
  )
  const pairs = selectQuestions(grouped, { limit: 4, seed: 1 }).map(({ group }) => group)
  assert.equal(new Set(pairs).size, 2)
})

test('an answer that is written twice would be our own mistake', async () => {
  using journal = new AnswerJournal(fresh())
  await journal.append([{ key: 'k', line: {} }])
  await assert.rejects(journal.append([{ key: 'k', line: {} }]), /internal/)
})
