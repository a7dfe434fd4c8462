/** What a checkpoint is: its family, its sizes, its files, and in which precision it would run here, and why. */
import { statSync } from 'node:fs'
import { bytesPerElement, type DType } from '../core/dtype.ts'
import { elementCount } from '../core/shape.ts'
import type { ModelConfig } from '../families/family.ts'
import { parameterPath } from '../families/parameter-names.ts'
import { turnEndOf } from '../families/turn-end.ts'
import type { Checkpoint } from '../load-checkpoint.ts'
import { parseGenerationConfig } from '../serve/generation-config.ts'
import { loadTokenizer } from '../text/index.ts'
import type { Arguments } from './arguments.ts'
import { formatBytes, formatCount, formatTable } from './format.ts'
import type { Description } from './inspect.ts'
import { precisionFacts, type PrecisionReport } from './precision-facts.ts'

export async function describeCheckpoint(
  name: string,
  checkpoint: Checkpoint,
  args: Arguments,
): Promise<Description> {
  const { config, files } = checkpoint
  const parameters = countParameters(checkpoint)
  const precision = await precisionFacts(checkpoint, args)
  const { endTokens, endTexts } = await endsOf(checkpoint)
  const facts = {
    kind: 'checkpoint',
    name,
    family: config.family,
    layout: config.layout,
    vision: config.vision,
    projector: config.projector,
    decoder: config.decoder,
    image: config.image,
    prompt: config.prompt,
    endTokens,
    endTexts,
    maxContext: config.maxContext,
    files: files.map((file) => ({ file, bytes: statSync(file).size })),
    ...parameters,
    ...precision,
  }
  return {
    facts,
    lines: [
      `${name}: family ${config.family}, ${config.layout} layout`,
      '',
      ...formatTable(configRows(config, [...endTokens.map(endText), ...endTexts])).map(indent),
      '',
      ...parameterLines(parameters, facts.files),
      '',
      ...precisionLines(precision),
    ],
  }
}

type Parameters = {
  readonly parameters: Readonly<Record<string, number>>
  readonly dtypes: Readonly<Partial<Record<DType, number>>>
}

const PARTS: readonly (readonly [string, RegExp])[] = [
  ['vision', /^vision\./],
  ['projector', /^(?:projector\.|imageNewline$)/],
  ['embedding', /^decoder\.embedTokens\./],
  ['head', /^decoder\.head\./],
  ['decoder', /^decoder\./],
]

/** Elements by part and by dtype, each weight once: a later file's in place of an earlier one's. */
function countParameters({ parts }: Checkpoint): Parameters {
  const weights = new Map<string, { readonly dtype: DType; readonly count: number }>()
  for (const { source, rules } of parts) {
    for (const [name, { dtype, shape }] of source.tensors) {
      const path = parameterPath(rules, name)
      if (path) weights.set(path, { dtype, count: elementCount(shape) })
    }
  }
  const parameters: Record<string, number> = { total: 0 }
  const dtypes: Partial<Record<DType, number>> = {}
  for (const [path, { dtype, count }] of weights) {
    const part = PARTS.find(([, pattern]) => pattern.test(path))?.[0] ?? 'other'
    parameters[part] = (parameters[part] ?? 0) + count
    parameters['total'] = (parameters['total'] ?? 0) + count
    dtypes[dtype] = (dtypes[dtype] ?? 0) + count
  }
  return { parameters, dtypes }
}

type EndToken = { readonly id: number; readonly token: string | null }

/** What ends an answer in a conversation. */
async function endsOf({ config, documents, tokenizerPath }: Checkpoint) {
  const tokenizer = await loadTokenizer(tokenizerPath)
  const { stop } = parseGenerationConfig(documents.files.get('generation_config.json'))
  const { texts, tokenIds } = turnEndOf(config.prompt, tokenizer)
  const ids = [...new Set([...config.endTokens, ...tokenIds])]
  const endTokens = ids.map((id): EndToken => ({ id, token: tokenizer.tokenOf(id) ?? null }))
  return { endTokens, endTexts: [...new Set([...stop, ...texts])] }
}

function endText({ id, token }: EndToken): string {
  return `${token ?? '?'} (${id})`
}

function windowText({ attention, numLayers, fullLayers = [] }: ModelConfig['decoder']): string {
  if (attention.slidingWindow === null) return ''
  const windowed = numLayers - fullLayers.length
  const where = windowed < numLayers ? ` in ${windowed} layers` : ''
  return `, window ${attention.slidingWindow}${where}`
}

function configRows(config: ModelConfig, ends: readonly string[]): string[][] {
  const { vision, projector, decoder, image, prompt } = config
  const { numHeads, numKvHeads, headDim } = decoder.attention
  return [
    ...(vision
      ? [
          [
            'vision tower',
            `${vision.kind} ${vision.imageSize}/${vision.patchSize}, ${vision.numLayers} layers × ${vision.hiddenSize}, features of layer ${vision.featureLayers.join(' and ')}`,
          ],
        ]
      : []),
    ...(image ? [['pictures', pictureText(image)]] : []),
    ...(projector
      ? [
          [
            'projector',
            `${projector.depth} linear, ${projector.inputSize} → ${projector.hiddenSize}`,
          ],
        ]
      : []),
    [
      'decoder',
      `${decoder.kind}, ${decoder.numLayers} layers × ${decoder.hiddenSize}, ${numHeads} heads of ${headDim} over ${numKvHeads} keys, vocabulary ${decoder.vocabSize}${decoder.tieEmbeddings ? ', tied head' : ''}${windowText(decoder)}`,
    ],
    ['context', `${config.maxContext} tokens`],
    [
      'prompt',
      prompt.kind === 'conversation' ? `conversation mode ${prompt.mode}` : PROMPTS[prompt.kind],
    ],
    ['ends with', ends.length === 0 ? 'nothing: give --stop or --max-tokens' : ends.join(', ')],
  ]
}

const PROMPTS = {
  template: 'chat template of the checkpoint',
  none: 'no template: raw prompts only',
} as const

function pictureText({ tokens, processor }: NonNullable<ModelConfig['image']>): string {
  const { tiling } = processor
  const tile = `${tokens.patchesPerSide ** 2} patches a tile`
  if (tiling.kind === 'none') return `one tile, ${tile}`
  return tiling.kind === 'anyres'
    ? `${tiling.pinpoints.length} grids, ${tile}`
    : `${tiling.kind}, ${tile}`
}

function parameterLines(
  { parameters, dtypes }: Parameters,
  files: readonly { readonly file: string; readonly bytes: number }[],
): string[] {
  const { total = 0, ...parts } = parameters
  const rows = Object.entries(parts).map(([part, count]) => [part, formatCount(count)])
  const stored = Object.entries(dtypes).map(
    ([dtype, count]) => `${formatBytes(count * bytesPerElement(dtype as DType))} of ${dtype}`,
  )
  return [
    `${formatCount(total)} parameters, stored as ${stored.join(', ')}`,
    ...formatTable(rows).map(indent),
    'files',
    ...formatTable(files.map(({ file, bytes }) => [file, formatBytes(bytes)])).map(indent),
  ]
}

function precisionLines({ precision, processor }: PrecisionReport): string[] {
  const rows = precision.layers.map(({ part, form, count, weights }) => [
    part,
    `${count} layers in ${form}`,
    `${formatCount(weights)} weights`,
  ])
  const exact = processor.isInt8Exact
    ? 'int8 products are exact'
    : 'int8 products saturate: weights take 7 bits'
  return [
    `precision ${precision.name}: ${precision.reason}`,
    ...formatTable(rows).map(indent),
    `  ${formatBytes(precision.bytes)} of weights in memory, keys and values in ${precision.kvCache}`,
    `processor ${processor.model}, ${processor.cores} threads${processor.features.map((name) => `, ${name}`).join('')}; ${exact}`,
  ]
}

function indent(line: string): string {
  return `  ${line}`
}
