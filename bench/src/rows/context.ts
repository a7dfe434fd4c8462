/** What every row is made with, and the contest most of them are. */
import type { LineUp } from '../line-up.ts'
import type { Machine } from '../machine.ts'
import {
  CLIP_L_336,
  shape7b,
  shrinkDecoder,
  shrinkTower,
  type DecoderShape,
  type TowerShape,
} from '../models/shapes.ts'
import type { Options } from '../options.ts'
import { alternate, median, warmUp, type Contender, type Measurement } from '../rounds.ts'
import type { Comparison, Row } from '../row.ts'

export type Context = {
  readonly lineUp: LineUp
  readonly options: Options
  readonly machine: Machine
}

export type RowMaker = { readonly name: string; make(context: Context): Promise<Row> }

/** Contenders of one kind; the fastest of them has the bar to itself. */
export type Group = { readonly contenders: readonly Contender[]; readonly bar?: number }

export type Contest = Pick<Row, 'name' | 'what' | 'unit' | 'floor' | 'notes'> & {
  /** Ours in the forms that may be the fastest; the fastest counts. */
  readonly ours: readonly Contender[]
  readonly groups: readonly Group[]
  readonly rounds: number
}

export async function contest(contest: Contest): Promise<Row> {
  const { ours, groups, rounds, notes = [], ...row } = contest
  const forms = await warmUp(ours)
  const peers: Group[] = []
  for (const group of groups) peers.push({ ...group, contenders: await warmUp(group.contenders) })
  const measured = await alternate(
    [...forms, ...peers.flatMap((group) => group.contenders)],
    rounds,
  )
  const byMedian = (contenders: readonly Contender[]) =>
    contenders
      .map(({ label }) => ({ label, measured: measured.get(label) as Measurement }))
      .toSorted((a, b) => median(a.measured) - median(b.measured))
  const [best] = byMedian(forms)
  if (!best) throw new Error(`bench: ${row.name} has no form of ours.`)
  const comparisons = peers.flatMap(({ contenders, bar }) =>
    byMedian(contenders).map((one, i): Comparison =>
      i === 0 && bar !== undefined ? { ...one, bar } : one,
    ),
  )
  return { ...row, ours: best.measured, comparisons, notes: [`ours is ${best.label}`, ...notes] }
}

/** Rounds of rows that take many seconds a sample. */
export function fewRounds({ options }: Context): number {
  return Math.min(3, options.rounds)
}

export function decoder7b({ options }: Context): DecoderShape {
  const shape = shape7b(options.layers)
  return options.isSmoke ? shrinkDecoder(shape) : shape
}

export function sized({ options }: Context, shape: DecoderShape): DecoderShape {
  return options.isSmoke ? shrinkDecoder(shape) : shape
}

export function sizedTower({ options }: Context, tower: TowerShape = CLIP_L_336): TowerShape {
  return options.isSmoke ? shrinkTower(tower) : tower
}

/** A number of tokens, fewer in a smoke run. */
export function tokensOf({ options }: Context, count: number): number {
  return options.isSmoke ? Math.min(count, 48) : count
}
