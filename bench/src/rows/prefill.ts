/** Time to the first token of a prompt that nothing of is cached. */
import { prefillFloor } from '../floors.ts'
import { ONEVISION, SMOLLM2, type DecoderShape } from '../models/shapes.ts'
import type { Row } from '../row.ts'
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
import { GGUF_TYPES, llamaIn, oursIn, running, torchIn, type Asked } from './contenders.ts'

type Bars = { readonly llama: number; readonly torch?: number; readonly openvino?: number }

export const prefillRows: readonly RowMaker[] = [
  {
    name: 'prefill-600',
    make: (context) =>
      prefill(context, {
        name: 'prefill-600',
        shape: decoder7b(context),
        tokens: 600,
        bars: { llama: 2, torch: 1.25, openvino: 1 },
      }),
  },
  {
    name: 'prefill-2928',
    make: (context) =>
      prefill(context, {
        name: 'prefill-2928',
        shape: decoder7b(context),
        tokens: 2928,
        bars: { llama: 1.5, torch: 1.25 },
      }),
  },
  {
    name: 'onevision-prefill',
    make: (context) =>
      prefill(context, {
        name: 'onevision-prefill',
        shape: sized(context, ONEVISION),
        tokens: 600,
        bars: { llama: 1.5 },
      }),
  },
  {
    name: 'smollm2-prefill',
    make: (context) =>
      prefill(context, {
        name: 'smollm2-prefill',
        shape: sized(context, SMOLLM2),
        tokens: 600,
        bars: { llama: 1.5 },
      }),
  },
]

type Prefill = {
  readonly name: string
  readonly shape: DecoderShape
  readonly tokens: number
  readonly bars: Bars
}

async function prefill(
  context: Context,
  { name, shape, tokens: wanted, bars }: Prefill,
): Promise<Row> {
  const tokens = tokensOf(context, wanted)
  const asked: Asked = {
    question: (round) => ({ promptTokens: tokens, newTokens: 1, seed: 100 + round }),
    counts: ({ firstTokenMs }) => firstTokenMs,
  }
  const folder = await context.lineUp.checkpoint(shape)
  const groups: Group[] = [
    { contenders: await llamaIn(context, shape, { types: GGUF_TYPES, asked }), bar: bars.llama },
  ]
  if (bars.torch !== undefined) {
    groups.push({ contenders: await torchIn(context, shape, asked), bar: bars.torch })
  }
  if (bars.openvino !== undefined) {
    groups.push({ contenders: await openvinoPrefill(context, shape, tokens), bar: bars.openvino })
  }
  return contest({
    name,
    what: `${tokens} tokens in, ${shape.name}`,
    unit: 'ms',
    ours: await oursIn(context, folder, { precisions: ['int8'], asked }),
    groups,
    rounds: wanted > 1000 ? fewRounds(context) : context.options.rounds,
    floor: prefillFloor(context.machine, shape, tokens),
  })
}

/** Converting many layers takes minutes and tens of gigabytes, so these are measured and the rest is a factor. */
const OPENVINO_LAYERS = 2

async function openvinoPrefill({ lineUp }: Context, shape: DecoderShape, tokens: number) {
  const numLayers = Math.min(OPENVINO_LAYERS, shape.numLayers)
  const worker = await lineUp.openvino('decoder', { ...shape, numLayers }, { tokens })
  const label = `OpenVINO int8 dynamic (${numLayers} layers × ${shape.numLayers / numLayers})`
  return worker ? [running(label, worker, 'run', { factor: shape.numLayers / numLayers })] : []
}
