/** `quantizeModel`: the quantised copies of a checkpoint made ahead of time, without loading a model. */
import { checkLoadOptions } from './check-load-options.ts'
import type { ChosenPrecision } from './choose-precision.ts'
import { lower } from './graph/lower.ts'
import { openParts } from './load-checkpoint.ts'
import { modelGraphs, parameterMap, precisionOf, type LoadOptions } from './load-model.ts'
import { quantizedPlanner } from './load-quantized.ts'
import { quantizePlan } from './load-weights.ts'
import { int8Saturates } from './runtime/int8-check.ts'
import { createRuntime } from './runtime/node.ts'
import type { WeightSource } from './weights/index.ts'

export type QuantizedModel = {
  readonly precision: ChosenPrecision
  /** One for each part that has quantised layers. */
  readonly files: readonly QuantizedFile[]
}

export type QuantizedFile = {
  readonly part: 'vision' | 'projector' | 'decoder' | 'singleStream'
  readonly file: string
  /** Whether it was made now, and not found. */
  readonly isNew: boolean
}

/**
 * Makes what `loadModel` with the same options would make on first use. Throws as `loadModel` does, and CheckpointError
 * where no folder can be written; nothing is left of a file that was not finished.
 */
export async function quantizeModel(
  name: string,
  options: LoadOptions = {},
): Promise<QuantizedModel> {
  checkLoadOptions(name, options)
  const checkpoint = await openParts(name, options)
  const opened: WeightSource[] = []
  try {
    const graphs = modelGraphs(checkpoint)
    const parameters = parameterMap(checkpoint, graphs)
    const isInt8Exact = await checkInt8(options.threads)
    const precision = precisionOf(options, checkpoint, { graphs, isInt8Exact })
    const { vision, decoder, singleStream } = precision
    const parts = [
      { part: 'vision', graph: graphs.vision, policy: vision },
      { part: 'projector', graph: graphs.projector, policy: vision },
      { part: 'decoder', graph: graphs.decoder, policy: decoder },
      { part: 'singleStream', graph: graphs.decoder, policy: singleStream },
    ] as const
    const ready: { readonly file: string | undefined; readonly isNew: boolean }[] = []
    const onReady = (event: (typeof ready)[number]) => ready.push(event)
    const quantize = quantizedPlanner(checkpoint, options, opened, { keep: 'file', onReady })
    const files: QuantizedFile[] = []
    for (const { part, graph, policy } of parts) {
      if (!graph || !policy) continue
      const plan = quantizePlan(lower(graph, policy).linears, { parameters, isInt8Exact })
      if (plan.length === 0) continue
      await quantize(plan)
      const { file, isNew } = ready.at(-1) ?? {}
      if (file === undefined || isNew === undefined) throw new Error('internal: no file was made')
      files.push({ part, file, isNew })
    }
    return { precision, files }
  } finally {
    for (const source of opened) source.close()
    checkpoint.close()
  }
}

/** Whether this processor multiplies int8 exactly. */
export async function checkInt8(threads: number | undefined): Promise<boolean> {
  const runtime = await createRuntime({ threads })
  try {
    return !(await int8Saturates(runtime))
  } finally {
    await runtime.dispose()
  }
}
