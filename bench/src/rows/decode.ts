/** Time of one token after the first, for one stream and for eight. */
import { decodeFloor } from '../floors.ts'
import { ONEVISION, SMOLLM2, type DecoderShape } from '../models/shapes.ts'
import type { GgufType } from '../models/write-gguf.ts'
import type { Contender } from '../rounds.ts'
import type { Row } from '../row.ts'
import type { BatchQuestion } from '../workers/protocol.ts'
import {
  contest,
  decoder7b,
  fewRounds,
  sized,
  tokensOf,
  type Context,
  type Group,
  type RowMaker,
} from './context.ts'
import { batching, GGUF_TYPES, llamaIn, oursIn, torchIn, type Asked } from './contenders.ts'

export const decodeRows: readonly RowMaker[] = [
  {
    name: 'decode-q4',
    make: (context) =>
      decode(context, {
        name: 'decode-q4',
        shape: decoder7b(context),
        precisions: ['q4b128'],
        types: ['Q4_0'],
        bars: { llama: 1.05, torch: 2.5 },
      }),
  },
  {
    name: 'decode-int8',
    make: (context) =>
      decode(context, {
        name: 'decode-int8',
        shape: decoder7b(context),
        precisions: ['int8'],
        types: ['Q8_0'],
        bars: {},
      }),
  },
  {
    name: 'onevision-decode',
    make: (context) =>
      decode(context, { name: 'onevision-decode', ...small(sized(context, ONEVISION)) }),
  },
  {
    name: 'smollm2-decode',
    make: (context) =>
      decode(context, { name: 'smollm2-decode', ...small(sized(context, SMOLLM2)) }),
  },
  { name: 'batch-8', make: batchOf8 },
]

type Decode = {
  readonly name: string
  readonly shape: DecoderShape
  readonly precisions: readonly ('int8' | 'q4b128')[]
  readonly types: readonly GgufType[]
  readonly bars: { readonly llama?: number; readonly torch?: number }
}

function small(shape: DecoderShape): Omit<Decode, 'name'> {
  return { shape, precisions: ['int8', 'q4b128'], types: GGUF_TYPES, bars: { llama: 1.3 } }
}

async function decode(
  context: Context,
  { name, shape, precisions, types, bars }: Decode,
): Promise<Row> {
  const asked = singleStream(context)
  const folder = await context.lineUp.checkpoint(shape)
  const groups: Group[] = [
    {
      contenders: await llamaIn(context, shape, { types, asked }),
      ...(bars.llama && { bar: bars.llama }),
    },
  ]
  if (bars.torch !== undefined) {
    groups.push({ contenders: await torchIn(context, shape, asked), bar: bars.torch })
  }
  const { promptTokens, newTokens } = asked.question(0)
  return contest({
    name,
    what: `one stream after ${promptTokens} tokens, ${newTokens - 1} steps, ${shape.name}`,
    unit: 'ms/token',
    ours: await oursIn(context, folder, { precisions, asked }),
    groups,
    rounds: context.options.rounds,
    floor: decodeFloor(context.machine, shape, {
      precision: precisions.at(-1) ?? 'int8',
      context: promptTokens,
      streams: 1,
    }),
  })
}

function singleStream(context: Context): Asked {
  const promptTokens = tokensOf(context, 600)
  return {
    question: (round) => ({ promptTokens, newTokens: tokensOf(context, 33), seed: 200 + round }),
    counts: ({ tokenMs }) => tokenMs,
  }
}

const STREAMS = 8

async function batchOf8(context: Context): Promise<Row> {
  const { lineUp, machine } = context
  const shape = decoder7b(context)
  const folder = await lineUp.checkpoint(shape)
  const promptTokens = tokensOf(context, 600)
  const question = (round: number): BatchQuestion => ({
    streams: STREAMS,
    promptTokens,
    newTokens: tokensOf(context, 17),
    seed: 300 + 10 * round,
  })
  const int8 = await lineUp.ours(folder, { precision: 'int8' })
  const singles = await oursIn(context, folder, {
    precisions: ['q4b128', 'int8'],
    asked: singleStream(context),
  })
  return contest({
    name: 'batch-8',
    what: `${STREAMS} streams after ${promptTokens} tokens each, a token of any stream, ${shape.name}`,
    unit: 'ms/token',
    ours: [batching(`llava-ts int8, ${STREAMS} streams`, int8, question)],
    groups: [
      {
        contenders: singles.map((one) => ({ ...one, label: `${one.label}, one stream` })),
        bar: 2.8,
      },
      { contenders: await llamaBatches(context, shape, question) },
    ],
    rounds: fewRounds(context),
    floor: decodeFloor(machine, shape, {
      precision: 'int8',
      context: promptTokens,
      streams: STREAMS,
    }),
  })
}

async function llamaBatches(
  { lineUp }: Context,
  shape: DecoderShape,
  question: (round: number) => BatchQuestion,
): Promise<Contender[]> {
  const { promptTokens, newTokens } = question(0)
  const contenders: Contender[] = []
  for (const type of ['Q4_0', 'Q8_0'] as const) {
    const contextSize = promptTokens + newTokens + 8
    const worker = await lineUp.llama(shape, type, { contextSize, streams: STREAMS })
    if (worker) contenders.push(batching(`llama.cpp ${type}, ${STREAMS} streams`, worker, question))
  }
  return contenders
}
