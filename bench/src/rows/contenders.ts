/** Contenders over the same question: who answers it, and which of its timings counts. */
import type { LoadOptions } from '../../../src/load-model.ts'
import { isZen5 } from '../machine.ts'
import type { DecoderShape, TowerShape } from '../models/shapes.ts'
import type { GgufType } from '../models/write-gguf.ts'
import type { Contender } from '../rounds.ts'
import type { WorkerProcess } from '../worker-process.ts'
import type { AnswerQuestion, BatchQuestion, Timings } from '../workers/protocol.ts'
import type { Context } from './context.ts'

export const GGUF_TYPES: readonly GgufType[] = ['Q4_0', 'Q8_0', 'F16']

export type Asked = {
  readonly question: (round: number) => AnswerQuestion
  readonly counts: (timings: Timings, label: string) => number
}

export function answering(
  label: string,
  worker: WorkerProcess,
  { question, counts }: Asked,
): Contender {
  return {
    label,
    sample: async (round) => counts(await worker.ask<Timings>('answer', question(round)), label),
  }
}

/** llava-ts in several precisions. */
export async function oursIn(
  { lineUp }: Context,
  folder: string,
  {
    precisions,
    asked,
  }: { readonly precisions: readonly LoadOptions['precision'][]; readonly asked: Asked },
): Promise<Contender[]> {
  const contenders: Contender[] = []
  for (const precision of precisions) {
    const worker = await lineUp.ours(folder, { precision })
    contenders.push(answering(`llava-ts ${String(precision)}`, worker, asked))
  }
  return contenders
}

/** llama.cpp with each type of file; none where it is not installed. */
export async function llamaIn(
  { lineUp }: Context,
  shape: DecoderShape,
  { types, asked }: { readonly types: readonly GgufType[]; readonly asked: Asked },
): Promise<Contender[]> {
  const { promptTokens, newTokens } = asked.question(0)
  const contextSize = promptTokens + newTokens + 8
  const contenders: Contender[] = []
  for (const type of types) {
    const worker = await lineUp.llama(shape, type, { contextSize, streams: 1 })
    if (worker) contenders.push(answering(`llama.cpp ${type}`, worker, asked))
  }
  return contenders
}

export async function torchIn(
  { lineUp }: Context,
  shape: DecoderShape,
  asked: Asked,
): Promise<Contender[]> {
  const worker = await lineUp.torch('decoder', shape, 'bfloat16')
  return worker ? [answering('torch bfloat16', worker, asked)] : []
}

/** `tiles` at once, and how many times that counts. */
export async function torchTower(
  { lineUp }: Context,
  tower: TowerShape,
  { tiles, factor }: { readonly tiles: number; readonly factor: number } = ONE_TILE,
): Promise<Contender[][]> {
  const groups: Contender[][] = []
  for (const dtype of ['bfloat16', 'float32'] as const) {
    const worker = await lineUp.torch('tower', tower, dtype)
    const tile = { factor, request: { tiles } }
    groups.push(worker ? [running(`torch ${dtype}`, worker, 'tile', tile)] : [])
  }
  return groups
}

/** What a tile of ours has to be times as fast as. */
export function torchTowerBars(): { readonly bfloat16: number; readonly float32: number } {
  return isZen5() ? { bfloat16: 1.8, float32: 4.5 } : { bfloat16: 1.1, float32: 2.5 }
}

const ONE_TILE = { tiles: 1, factor: 1 }

/** A worker whose operation takes a seed and gives milliseconds. */
export function running(
  label: string,
  worker: WorkerProcess,
  operation: string,
  { factor = 1, request = {} }: { readonly factor?: number; readonly request?: object } = {},
): Contender {
  return {
    label,
    sample: async (round) =>
      factor * (await worker.ask<{ ms: number }>(operation, { ...request, seed: round })).ms,
  }
}

/** Milliseconds for one token of all streams together. */
export function batching(
  label: string,
  worker: WorkerProcess,
  question: (round: number) => BatchQuestion,
): Contender {
  return {
    label,
    sample: async (round) => {
      const { tokensPerSecond } = await worker.ask<{ tokensPerSecond: number }>(
        'batch',
        question(round),
      )
      return 1000 / tokensPerSecond
    },
  }
}
