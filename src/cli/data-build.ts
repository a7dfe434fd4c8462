/** `llava data build mini`: the mini model's training and test data from licensed pictures and a generator. */
import { writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { makeFolderSync } from '../core/make-folder-node.ts'
import { BUILDERS } from '../data/mini/builders.ts'
import { buildMini } from '../data/mini/build-mini.ts'
import { LONG_REPLAY_PROMPTS, REPLAY_PROMPTS } from '../data/mini/replay-prompts.ts'
import { parseReplay, type Replayed } from '../data/mini/replay.ts'
import type { Statistics, TaskStatistics } from '../data/mini/statistics.ts'
import { loadModel } from '../index.ts'
import type { Arguments } from './arguments.ts'
import type { DataAction } from './data-action.ts'
import { wholeFrom0 } from './number-options.ts'
import { outFolder } from './out-folder.ts'
import { Progress } from './progress.ts'
import { readTextFile } from './read-text-file.ts'
import { UsageError } from './usage-error.ts'
import type { Session } from './verb.ts'

const SETS: readonly string[] = ['mini']

export const dataBuild: DataAction = {
  name: 'build',
  place: '<set>',
  about: 'pictures and questions of the mini model, from licensed pictures and a generator',
  options: [
    { name: 'assets', kind: 'text', value: 'folder', about: 'Holds grocery/, clothing/, …' },
    { name: 'out', kind: 'text', value: 'folder', about: 'Where to; new or empty' },
    {
      name: 'only',
      kind: 'text',
      value: 'a,b',
      about: `Sources (${BUILDERS.map(({ name }) => name).join(', ')})`,
    },
    { name: 'count', kind: 'number', value: 'n', about: 'Conversations to train on, in all' },
    {
      name: 'captions',
      kind: 'number',
      value: 'n',
      about: 'Pictures with captions, in all (default: in proportion)',
    },
    { name: 'test-count', kind: 'number', value: 'n', about: 'Questions a test task at most' },
    { name: 'turns', kind: 'number', value: 'n', about: 'Turns of a conversation at most' },
    { name: 'replay', kind: 'text', value: 'file', about: "The language model's own answers" },
    {
      name: 'replay-model',
      kind: 'text',
      value: 'model',
      about: 'Answers the prompts anew and writes --replay',
    },
    {
      name: 'replay-answers',
      kind: 'number',
      value: 'n',
      about: 'Answers to each prompt for a long text, each drawn anew (default: 1)',
    },
    { name: 'seed', kind: 'number', value: 'n', about: 'Of everything drawn (default: 0)' },
  ],
  examples: [
    'data build mini --assets pictures --out data/mini --replay recipes/mini/replay.jsonl',
    'data build mini --only scenes,words,charts --count 500 --seed 1 --out drawn',
  ],
  async run(args, session) {
    const set = args.positionals[1] as string
    if (!SETS.includes(set)) {
      throw new UsageError(`llava data build: expected ${SETS.join(', ')}, "${set}" came.`)
    }
    await buildSet(args, session)
  },
}

async function buildSet(args: Arguments, session: Session): Promise<void> {
  const out = outFolder(args, 'data build')
  const progress = new Progress(session.terminal)
  try {
    const replayed = await readReplay(args, session, progress)
    const statistics = await buildMini({
      assets: resolve(args.text('assets') ?? '.'),
      out,
      seed: wholeFrom0(args, 'seed'),
      only: args.text('only')?.split(','),
      count: wholeFrom0(args, 'count'),
      captions: wholeFrom0(args, 'captions'),
      testCount: wholeFrom0(args, 'test-count'),
      turns: wholeFrom0(args, 'turns'),
      replayed,
      onProgress: progress.update,
      signal: session.signal,
    })
    progress.end()
    report(session, out, statistics)
  } finally {
    progress.end()
  }
}

/** What the file holds; with a model, what the model says, which the file then holds. */
async function readReplay(
  args: Arguments,
  session: Session,
  progress: Progress,
): Promise<readonly Replayed[]> {
  const file = args.text('replay')
  const name = args.text('replay-model')
  const answers = wholeFrom0(args, 'replay-answers')
  if (name === undefined) {
    if (answers !== undefined) throw new UsageError('--replay-answers needs --replay-model.')
    return file === undefined ? [] : parseReplay(readTextFile(file), file)
  }
  if (file === undefined) throw new UsageError('--replay-model needs --replay, the file to write.')
  const asked = replays(answers ?? 1)
  const replayed = await answerPrompts(name, { session, progress, asked })
  makeFolderSync(dirname(resolve(file)))
  writeFileSync(file, replayed.map((one) => `${JSON.stringify(one)}\n`).join(''))
  return replayed
}

const BATCH = 16

/** Short answers are the likeliest ones; long ones are drawn, since the likeliest repeat themselves. */
const SHORT = { maxTokens: 80, temperature: 0 } as const
const LONG = { maxTokens: 240, temperature: 1 } as const

type Replay = (typeof SHORT | typeof LONG) & { readonly prompt: string; readonly seed: number }

/** `answers`: how many of each long text, with seeds of their own. */
function replays(answers: number): readonly Replay[] {
  const long = Array.from({ length: answers }, () => LONG_REPLAY_PROMPTS).flat()
  return [
    ...REPLAY_PROMPTS.map((prompt, seed) => ({ prompt, seed, ...SHORT })),
    ...long.map((prompt, seed) => ({ prompt, seed, ...LONG })),
  ]
}

type Answering = {
  readonly session: Session
  readonly progress: Progress
  readonly asked: readonly Replay[]
}

async function answerPrompts(name: string, { session, progress, asked }: Answering) {
  const { signal } = session
  await using model = await loadModel(name, { signal })
  const replayed: Replayed[] = []
  const total = asked.length
  for (let done = 0; done < total; done += BATCH) {
    const together = asked.slice(done, done + BATCH)
    const answers = await model.generateBatch(
      together.map(({ prompt, ...options }) => ({
        messages: [{ role: 'user' as const, content: prompt }],
        ...options,
        signal,
      })),
    )
    answers.forEach(({ text, finishReason }, i) => {
      const answer = finishReason === 'stop' ? text.trim() : wholeSentences(text)
      if (answer !== '') replayed.push({ prompt: together[i]?.prompt as string, answer })
    })
    progress.update({ stage: 'replay', done: done + together.length, total, item: name })
  }
  return replayed
}

/** What comes before the last full stop of an answer that was cut; nothing if no sentence was finished. */
function wholeSentences(text: string): string {
  return /^.*[.!?](?=\s|$)/s.exec(text.trim())?.[0] ?? ''
}

function report({ terminal }: Session, out: string, statistics: Statistics): void {
  if (terminal.isJson) return terminal.json({ out, ...statistics })
  const row = (name: string, count: number) => `  ${name.padEnd(24)}${String(count).padStart(6)}`
  const tasks = (title: string, all: Readonly<Record<string, TaskStatistics>>) => {
    terminal.print(title)
    for (const [task, { questions, majority, majorityShare }] of Object.entries(all)) {
      const share = `${(100 * majorityShare).toFixed(1).padStart(6)} %`
      terminal.print(`${row(task, questions)}${share}  ${majority.slice(0, 40)}`)
    }
  }
  terminal.print(`${out}, seed ${statistics.seed}`)
  terminal.print('alignment: records by source')
  for (const [name, count] of Object.entries(statistics.alignment)) terminal.print(row(name, count))
  terminal.print('instruction: records by source')
  for (const [name, count] of Object.entries(statistics.instruction))
    terminal.print(row(name, count))
  tasks('instruction: turns by task, the commonest answer', statistics.turns)
  tasks('test: questions by task, the commonest answer', statistics.test)
  terminal.print(`left out, being in the other split: ${statistics.leftOut}`)
}
