/** Whole questions: a picture and a prompt in, an answer out; and a second one about the same picture. */
import { weightBytes } from '../floors.ts'
import { prefillFloor, decodeFloor, towerFloor } from '../floors.ts'
import { patchesOf, type DecoderShape } from '../models/shapes.ts'
import type { Contender } from '../rounds.ts'
import type { Row } from '../row.ts'
import type { AnswerQuestion, Timings } from '../workers/protocol.ts'
import {
  contest,
  decoder7b,
  fewRounds,
  sizedTower,
  tokensOf,
  type Context,
  type RowMaker,
} from './context.ts'
import { answering, llamaIn, type Asked } from './contenders.ts'

export const questionRows: readonly RowMaker[] = [
  { name: 'question-int8', make: (context) => wholeQuestion(context, 'int8', 1.5) },
  { name: 'question-int8+q4', make: (context) => wholeQuestion(context, 'int8+q4', 1.7) },
  { name: 'second-question', make: secondQuestion },
]

/** Layers of the model that the shape is taken from. */
const ALL_LAYERS = 32
const TEXT_TOKENS = 24

async function wholeQuestion(
  context: Context,
  precision: 'int8' | 'int8+q4',
  bar: number,
): Promise<Row> {
  const { lineUp, machine } = context
  const shape = decoder7b(context)
  const tower = sizedTower(context)
  const pictureTokens = patchesOf(tower)
  const promptTokens = pictureTokens + TEXT_TOKENS
  const newTokens = tokensOf(context, 100)
  const text = (round: number): AnswerQuestion => ({ promptTokens, newTokens, seed: 400 + round })
  const picture = (round: number): AnswerQuestion => ({
    ...text(round),
    picture: { side: tower.imageSize, tokens: pictureTokens, seed: 400 + round },
  })
  const worker = await lineUp.ours(await lineUp.checkpoint(shape, tower), { precision })
  const form = precision === 'int8' ? 'int8' : 'q4b128'
  const whole = { ...shape, numLayers: ALL_LAYERS }
  const decoding = decodeFloor(machine, whole, {
    precision: form,
    context: promptTokens,
    streams: 1,
  })
  const row = await contest({
    name: `question-${precision}`,
    what: `a ${tower.imageSize} px picture and ${TEXT_TOKENS} words (${promptTokens} tokens) in, ${newTokens} out, ${shape.name} extrapolated to ${ALL_LAYERS} layers`,
    unit: 'ms',
    ours: [
      answering(`llava-ts ${precision}`, worker, {
        question: picture,
        counts: (timings) => extrapolate(timings, { shape, newTokens, form }),
      }),
    ],
    groups: [
      { contenders: await llamaQuestions(context, shape, { question: text, newTokens }), bar },
    ],
    rounds: fewRounds(context),
    floor: {
      value:
        towerFloor(machine, tower).value +
        prefillFloor(machine, whole, promptTokens).value +
        (newTokens - 1) * decoding.value,
      from: `tower, prefill, and ${newTokens - 1} × ${decoding.from}`,
    },
  })
  const notes = [
    `memory of ours: ${(worker.anonymousBytes() / 1e9).toFixed(2)} GB anonymous, ${(worker.residentBytes() / 1e9).toFixed(2)} GB with mapped files, of ${shape.name}`,
    'llama.cpp gets the same number of tokens and no picture: its tower is not in its time, ours is',
  ]
  return { ...row, notes: [...(row.notes ?? []), ...notes] }
}

async function llamaQuestions(
  context: Context,
  shape: DecoderShape,
  { question, newTokens }: { readonly question: Asked['question']; readonly newTokens: number },
): Promise<Contender[]> {
  const types = ['Q4_0', 'Q8_0'] as const
  const contenders: Contender[] = []
  for (const form of types) {
    const counts = (timings: Timings) => extrapolate(timings, { shape, newTokens, form })
    contenders.push(
      ...(await llamaIn(context, shape, { types: [form], asked: { question, counts } })),
    )
  }
  return contenders
}

/**
 * What all layers would take: picture as measured; prefill by layers, since its head is one row; steps by the bytes of
 * the weights, since one stream is bound by them.
 */
function extrapolate(
  { firstTokenMs, visionMs, preprocessMs, tokenMs }: Timings,
  {
    shape,
    newTokens,
    form,
  }: { shape: DecoderShape; newTokens: number; form: 'int8' | 'q4b128' | 'Q4_0' | 'Q8_0' },
): number {
  const picture = visionMs + preprocessMs
  const prefill = (firstTokenMs - picture) * (ALL_LAYERS / shape.numLayers)
  const whole = { ...shape, numLayers: ALL_LAYERS }
  const step = tokenMs * (weightBytes(whole, form) / weightBytes(shape, form))
  return picture + prefill + (newTokens - 1) * step
}

const SECOND_QUESTION_TOKENS = 64

async function secondQuestion(context: Context): Promise<Row> {
  const { lineUp } = context
  const shape = decoder7b(context)
  const tower = sizedTower(context)
  const tokens = patchesOf(tower)
  const folder = await lineUp.checkpoint(shape, tower)
  const worker = await lineUp.ours(folder, {
    precision: 'int8',
    prefixCache: true,
    kvBytes: 2 ** 30,
  })
  const about = (round: number, seed: number): AnswerQuestion => ({
    promptTokens: tokens + SECOND_QUESTION_TOKENS,
    newTokens: 1,
    seed,
    picture: { side: tower.imageSize, tokens, seed: 500 + round },
  })
  const cached: number[] = []
  const second: Contender = {
    label: 'llava-ts int8',
    async sample(round) {
      await worker.ask('answer', about(round, 1000 + round))
      const timings = await worker.ask<Timings>('answer', about(round, 2000 + round))
      cached.push(timings.cachedTokens)
      return timings.firstTokenMs
    },
  }
  const alone = answering('its new tokens alone', worker, {
    question: (round) => ({
      promptTokens: SECOND_QUESTION_TOKENS,
      newTokens: 1,
      seed: 3000 + round,
    }),
    counts: ({ firstTokenMs }) => firstTokenMs,
  })
  const row = await contest({
    name: 'second-question',
    what: `another question of ${SECOND_QUESTION_TOKENS} tokens about the same picture, to its first token, ${shape.name}`,
    unit: 'ms',
    ours: [second],
    groups: [{ contenders: [alone], bar: 1 / 1.3 }],
    rounds: context.options.rounds,
  })
  const note = `positions taken from the cache: ${Math.min(...cached)} of ${tokens + SECOND_QUESTION_TOKENS}`
  return { ...row, notes: [...(row.notes ?? []), note] }
}
