/** One tile through a vision tower. */
import { towerFloor } from '../floors.ts'
import {
  CLIP_L_336,
  patchesOf,
  SIGLIP_SO400M_384,
  STUB,
  type TowerShape,
} from '../models/shapes.ts'
import type { Row } from '../row.ts'
import { contest, sizedTower, type Context, type Group, type RowMaker } from './context.ts'
import { oursIn, running, torchTower, torchTowerBars } from './contenders.ts'

export const towerRows: readonly RowMaker[] = [
  {
    name: 'clip-tile',
    make: (context) => tile(context, 'clip-tile', sizedTower(context, CLIP_L_336)),
  },
  {
    name: 'siglip-tile',
    make: (context) => tile(context, 'siglip-tile', sizedTower(context, SIGLIP_SO400M_384)),
  },
]

async function tile(context: Context, name: string, tower: TowerShape): Promise<Row> {
  const { lineUp, machine, options } = context
  const folder = await lineUp.checkpoint(STUB, tower)
  const tokens = patchesOf(tower)
  const asked = {
    question: (round: number) => ({
      promptTokens: tokens + 1,
      newTokens: 1,
      seed: round,
      picture: { side: tower.imageSize, tokens, seed: 600 + round },
    }),
    counts: ({ visionMs }: { readonly visionMs: number }) => visionMs,
  }
  const bars = torchTowerBars()
  const [bfloat16 = [], float32 = []] = await torchTower(context, tower)
  return contest({
    name,
    what: `one tile, ${tower.numLayers} layers, ${tower.name}; ours with a small projector behind it`,
    unit: 'ms',
    ours: await oursIn(context, folder, { precisions: ['int8'], asked }),
    groups: [
      { contenders: bfloat16, bar: bars.bfloat16 },
      { contenders: float32, bar: bars.float32 },
      ...(await openvinoTiles(context, tower)),
    ],
    rounds: options.rounds,
    floor: towerFloor(machine, tower),
  })
}

/** The static form needs calibration tiles: it is the next height, without a bar. */
async function openvinoTiles({ lineUp }: Context, tower: TowerShape): Promise<Group[]> {
  const dynamic = await lineUp.openvino('tower', tower)
  const calibrated = await lineUp.openvino('tower', tower, { static: true })
  return [
    { contenders: dynamic ? [running('OpenVINO int8 dynamic', dynamic, 'run')] : [], bar: 1 },
    { contenders: calibrated ? [running('OpenVINO int8 static', calibrated, 'run')] : [] },
  ]
}
