/**
 * Builds the mini model's data: records to train on in LLaVA's format, held-out questions, and the pictures of both.
 *
 *   stage0.json        pictures with the words of one sentence each, and of places in them, for the first steps
 *   stage1.json        the same pictures with the sentences, for alignment
 *   stage2.json        conversations, for instruction; the same by source in sources/
 *   test/<task>.jsonl  { id, image | video, task, question, answer, choices? }
 *   images/            what the others name, relative to the output folder
 *   statistics.json    counts, seeds and the scores of always giving one answer
 *
 * The same seed and assets give the same files.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { InputError } from '../../core/errors.ts'
import { makeFolderSync } from '../../core/make-folder-node.ts'
import type { Region } from '../record.ts'
import type { BuildContext, Builder, Conversation, Counts } from './builder.ts'
import { BUILDERS } from './builders.ts'
import { Lots } from './lots.ts'
import { PictureStore, type Split } from './picture-store.ts'
import type { Replayed } from './replay.ts'
import { summarise, type Statistics } from './statistics.ts'
import {
  converse,
  distinctTurns,
  fullQuestion,
  tellingWords,
  type Message,
  type Turn,
} from './turn.ts'

export type MiniOptions = {
  readonly assets: string
  readonly out: string
  readonly seed?: number
  /** Names of builders; none: all. */
  readonly only?: readonly string[]
  /** Conversations altogether; the builders keep their shares. Pictures with captions are as many times their usual number. */
  readonly count?: number
  /** Pictures with captions altogether, where their number shall be another. */
  readonly captions?: number
  /** Questions a test task at most. */
  readonly testCount?: number
  /** Turns of a conversation at most. One: no answer can be had from the ones before it, only from the picture. */
  readonly turns?: number
  readonly replayed?: readonly Replayed[]
  readonly onProgress?: (state: {
    readonly stage: string
    readonly done: number
    readonly total: number
    readonly item: string
  }) => void
  readonly signal?: AbortSignal
}

/** A line of LLaVA's format; `source` and `tasks` are for statistics and subsets. */
export type MiniRecord = {
  readonly id: string
  readonly source: string
  readonly tasks: readonly string[]
  readonly image?: string | readonly string[]
  /** A folder of frames. */
  readonly video?: string
  readonly conversations: readonly Message[]
  readonly regions?: readonly Region[]
}

export type MiniQuestion = {
  readonly id: string
  readonly image?: string | readonly string[]
  readonly video?: string
  readonly task: string
  readonly question: string
  readonly answer: string
  readonly choices?: readonly string[]
}

export async function buildMini(options: MiniOptions): Promise<Statistics> {
  if (options.turns === 0) {
    throw new InputError(
      'INPUT_BUILDER_TURNS',
      'data: a conversation should have 1 turn or more; 0 came.',
    )
  }
  const builders = chooseBuilders(options.only)
  const work = new MiniBuild(options, builders)
  for (const builder of builders) await work.run(builder)
  return work.finish()
}

function chooseBuilders(only: readonly string[] | undefined): readonly Builder[] {
  const unknown = only?.filter((name) => BUILDERS.every((builder) => builder.name !== name)) ?? []
  if (unknown.length > 0) {
    throw new InputError(
      'INPUT_BUILDER_UNKNOWN',
      `data: sources should be among ${BUILDERS.map(({ name }) => name).join(', ')}; ${unknown.join(', ')} came.`,
    )
  }
  return BUILDERS.filter(({ name }) => only === undefined || only.includes(name))
}

type Shown = Pick<Conversation, 'pictures' | 'isClip'>
type Media = Pick<MiniRecord, 'image' | 'video'>

class MiniBuild {
  readonly #options: MiniOptions
  readonly #store: PictureStore
  readonly #lots: Lots
  /** By how much the usual counts are multiplied. */
  readonly #scale: { readonly alignment: number; readonly instruction: number }
  readonly #total: number
  readonly #words: MiniRecord[] = []
  readonly #alignment: MiniRecord[] = []
  readonly #instruction = new Map<string, readonly MiniRecord[]>()
  readonly #separate = new Set<string>()
  readonly #questions = new Map<string, MiniQuestion[]>()
  #leftOut = 0
  #done = 0

  constructor(options: MiniOptions, builders: readonly Builder[]) {
    const { assets, out, seed = 0, count, captions } = options
    this.#options = options
    this.#store = new PictureStore(assets, out)
    this.#lots = new Lots(`mini/${seed}`)
    const times = (wanted: number | undefined, kind: 'alignment' | 'instruction') => {
      const usual = sum(builders.map(({ counts }) => counts[kind]))
      return wanted === undefined || usual === 0 ? undefined : wanted / usual
    }
    const instruction = times(count, 'instruction') ?? 1
    this.#scale = { instruction, alignment: times(captions, 'alignment') ?? instruction }
    this.#total = sum(
      builders.map(
        ({ counts }) => this.#scaled(counts, 'alignment') + this.#scaled(counts, 'instruction'),
      ),
    )
  }

  async run(builder: Builder): Promise<void> {
    const { name, isSeparate } = builder
    if (isSeparate) this.#separate.add(name)
    await this.#align(builder)
    const records = await this.#instruct(builder)
    this.#instruction.set(name, records)
    await this.#test(builder)
  }

  finish(): Statistics {
    const { out, seed = 0 } = this.#options
    const mixed = [...this.#instruction]
      .filter(([name]) => !this.#separate.has(name))
      .flatMap(([, records]) => records)
    const shuffle = (records: readonly MiniRecord[]) => this.#lots.fork('stage1').shuffle(records)
    writeJson(out, 'stage0.json', shuffle(this.#words))
    writeJson(out, 'stage1.json', shuffle(this.#alignment))
    writeJson(out, 'stage2.json', this.#lots.fork('stage2').shuffle(mixed))
    for (const [name, records] of this.#instruction) writeJson(out, `sources/${name}.json`, records)
    for (const [task, questions] of this.#questions)
      writeLines(out, `test/${task}.jsonl`, questions)
    const statistics = summarise({
      seed,
      alignment: this.#alignment,
      instruction: this.#instruction,
      questions: this.#questions,
      leftOut: this.#leftOut,
    })
    writeJson(out, 'statistics.json', statistics)
    return statistics
  }

  async #align(builder: Builder): Promise<void> {
    const { name, counts, alignment } = builder
    const count = this.#scaled(counts, 'alignment')
    if (alignment === undefined || count === 0) return
    const lots = this.#lots.fork(`${name}/alignment`)
    const instructions = lots.fork('instructions').deck(BRIEF_INSTRUCTIONS)
    let number = 0
    for await (const { picture, caption, words, regions } of alignment(
      this.#context(lots, count),
    )) {
      const id = `${name}-align-${pad(number++)}`
      const media = this.#add({ pictures: [picture] }, 'train', id)
      if (media === undefined) continue
      const record = {
        id,
        source: name,
        tasks: ['caption'],
        ...media,
        conversations: [
          { from: 'human', value: `<image>\n${instructions()}` },
          { from: 'gpt', value: caption },
        ],
      } as const
      this.#alignment.push(record)
      this.#words.push(wordsOnly(record, words, regions))
      this.#tick(name)
    }
  }

  async #instruct(builder: Builder): Promise<MiniRecord[]> {
    const { name, counts, instruction } = builder
    const count = this.#scaled(counts, 'instruction')
    const records: MiniRecord[] = []
    if (instruction === undefined || count === 0) return records
    const context = this.#context(this.#lots.fork(`${name}/instruction`), count)
    for await (const conversation of instruction(context)) {
      const { pictures, isClip, turns: asked, isBrief } = conversation
      const turns = distinctTurns(asked).slice(0, this.#options.turns)
      const id = `${name}-${pad(records.length)}`
      const media = this.#add(conversation, 'train', id)
      if (media === undefined) continue
      records.push({
        id,
        source: name,
        tasks: turns.map(({ task }) => task),
        ...media,
        conversations: converse(turns, isBrief, isClip ? 1 : pictures.length),
      })
      this.#tick(name)
    }
    return records
  }

  async #test(builder: Builder): Promise<void> {
    const { name, counts, test } = builder
    const count = this.#options.testCount ?? counts.test
    if (test === undefined || count === 0) return
    const context = this.#context(this.#lots.fork(`${name}/test`), count)
    for await (const question of test(context)) {
      const { turn } = question
      const questions = this.#questionsOf(turn.task)
      const id = `${turn.task}-${pad(questions.length)}`
      const media = this.#add(question, 'test', `test/${id}`)
      if (media !== undefined) questions.push(questionOf(id, media, turn))
    }
  }

  #questionsOf(task: string): MiniQuestion[] {
    const found = this.#questions.get(task)
    if (found !== undefined) return found
    const made: MiniQuestion[] = []
    this.#questions.set(task, made)
    return made
  }

  /** What names a record's pictures or clip; undefined where the other split has one of them. */
  #add({ pictures, isClip }: Shown, split: Split, id: string): Media | undefined {
    this.#options.signal?.throwIfAborted()
    const name = `drawn/${id}`
    if (isClip) {
      const video = this.#store.addClip(pictures, split, name)
      if (video === undefined) this.#leftOut++
      return video === undefined ? undefined : { video }
    }
    const paths = pictures.map((picture, i) =>
      this.#store.add(picture, split, pictures.length > 1 ? `${name}-${i + 1}` : name),
    )
    const there = paths.filter((path) => path !== undefined)
    if (there.length < paths.length) this.#leftOut++
    if (there.length < paths.length) return undefined
    return there.length === 0 ? {} : { image: there.length === 1 ? (there[0] as string) : there }
  }

  #context(lots: Lots, count: number): BuildContext {
    const { assets, replayed = [] } = this.#options
    return { assets, lots, count, replayed }
  }

  #scaled(counts: Counts, kind: 'alignment' | 'instruction'): number {
    return Math.round(counts[kind] * this.#scale[kind])
  }

  #tick(item: string): void {
    this.#done++
    this.#options.onProgress?.({ stage: 'build', done: this.#done, total: this.#total, item })
  }
}

/** How a brief description is asked for; LLaVA's `plain` template leaves this out. */
const BRIEF_INSTRUCTIONS: readonly string[] = [
  'Describe the picture in one sentence.',
  'What does the picture show?',
  'Give a short caption for the picture.',
  'Say briefly what you see.',
  'Write one sentence about the picture.',
]

function questionOf(id: string, media: Media, turn: Turn): MiniQuestion {
  const { task, answer, choices } = turn
  const asked = { id, ...media, task, question: fullQuestion(turn), answer }
  return choices === undefined ? asked : { ...asked, choices }
}

/** The record with words alone: of the whole, and of places. */
function wordsOnly(
  record: MiniRecord,
  words: string | undefined,
  regions: readonly Region[] | undefined,
): MiniRecord {
  const [asked, told] = record.conversations as readonly [Message, Message]
  const value = words ?? tellingWords(told.value)
  const conversations = [asked, { from: told.from, value }]
  return { ...record, conversations, ...(regions && { regions }) }
}

function writeJson(out: string, name: string, value: unknown): void {
  write(out, name, `${JSON.stringify(value, null, 1)}\n`)
}

function writeLines(out: string, name: string, values: readonly unknown[]): void {
  write(out, name, values.map((value) => `${JSON.stringify(value)}\n`).join(''))
}

function write(out: string, name: string, text: string): void {
  const path = join(out, name)
  makeFolderSync(join(path, '..'))
  writeFileSync(path, text)
}

const pad = (number: number) => String(number).padStart(5, '0')
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)
