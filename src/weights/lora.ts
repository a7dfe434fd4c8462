/**
 * A PEFT LoRA adapter: for each adapted module a pair of small matrices, B [rows, rank] and A [rank, columns].
 *
 * Names in its file are `base_model.model.PATH.lora_A.weight`, or `….lora_A.NAME.weight` as they are in memory
 * (`default`); `lora-embedding.ts` reads an embedding's as such. Source: arXiv:2106.09685; huggingface/peft 0.21,
 * src/peft/utils/save_and_load.py.
 */
import { CheckpointError } from '../core/errors.ts'
import { formatType } from '../core/shape.ts'
import { readDocument } from './documents.ts'
import { withLinearNames } from './lora-embedding.ts'
import { moduleScale, parseLoraConfig, type LoraConfig } from './lora-config.ts'
import { joinPath, listFolder } from './node.ts'
import { openWeightFile } from './open-checkpoint.ts'
import type { TensorInfo, WeightSource } from './source.ts'

export type LoraAdapter = {
  /** Adapted modules by their path in the model that was trained, `model.layers.0.self_attn.q_proj`. */
  readonly modules: ReadonlyMap<string, LoraModule>
  /** Tensors trained in full: the name in the trained model and the name in `source`. */
  readonly replacements: ReadonlyMap<string, string>
  readonly source: WeightSource
}

/** The weight gains scale · B A. */
export type LoraModule = {
  readonly rank: number
  readonly scale: number
  /** Names in the adapter's source. */
  readonly a: string
  readonly b: string
  readonly rows: number
  readonly columns: number
}

/** Opens the adapter in a folder; closing its `source` is the caller's. Throws CheckpointError as readLoraAdapter does. */
export function openLoraAdapter(folder: string): LoraAdapter {
  const config = readDocument(folder, 'adapter_config.json')
  const names = listFolder(folder) ?? []
  const file = ['adapter_model.safetensors', 'adapter_model.bin'].find((name) =>
    names.includes(name),
  )
  if (config === undefined || file === undefined) {
    throw new CheckpointError(
      'CHECKPOINT_ADAPTER_MISSING',
      `weights: expected adapter_config.json and adapter_model.safetensors (or .bin) in ${folder}, it has ${names.join(', ') || 'nothing'}; ` +
        'give the folder that PEFT saved.',
    )
  }
  const source = openWeightFile(joinPath(folder, file))
  try {
    return readLoraAdapter(parseLoraConfig(config), source)
  } catch (error) {
    source.close()
    throw error
  }
}

/** Sorts the tensors of an adapter. Throws one CheckpointError that lists all that do not belong together. */
export function readLoraAdapter(config: LoraConfig, stored: WeightSource): LoraAdapter {
  const source = withLinearNames(stored)
  const pairs = new Map<string, { a?: string; b?: string }>()
  const replacements = new Map<string, string>()
  const faults: string[] = []
  for (const name of source.tensors.keys()) {
    const { path, side } = parseAdapterName(name)
    if (side === 'a' || side === 'b') addSide(pairs, path, side, name, faults)
    else if (side === 'other') faults.push(`${name} is of another method than plain LoRA`)
    else if (side === 'copy' || isSaved(config, path)) replacements.set(path, name)
    else faults.push(`${name} is neither lora_A nor lora_B nor one of modules_to_save`)
  }
  const modules = new Map<string, LoraModule>()
  for (const [path, pair] of pairs) {
    const module = joinPair(config, source, path, pair)
    if (typeof module === 'string') faults.push(module)
    else modules.set(path, module)
  }
  if (pairs.size === 0 && replacements.size === 0)
    faults.push('there is no lora_A and lora_B in it')
  if (faults.length > 0) throw adapterFaults(faults)
  return { modules, replacements, source }
}

type AdapterName = { readonly path: string; readonly side: 'a' | 'b' | 'full' | 'copy' | 'other' }

/** Takes the wrappers' names off: `base_model.model.` in front, the adapter's name behind `lora_A`. */
function parseAdapterName(name: string): AdapterName {
  const bare = name.replace(/^base_model\.model\./, '')
  const pair = /^(.+)\.lora_([AB])(?:\.[^.]+)?\.weight$/.exec(bare)
  if (pair) return { path: pair[1] as string, side: pair[2] === 'A' ? 'a' : 'b' }
  if (/(^|\.)lora_/.test(bare)) return { path: bare, side: 'other' }
  const full = bare.replace(/\.(?:modules_to_save(?:\.[^.]+)?|base_layer)(?=\.[^.]+$)/, '')
  return { path: full, side: COPIED.test(bare) ? 'copy' : 'full' }
}

/** The vocabulary's matrices, which PEFT saves beside an adapter of theirs or when they have grown, and loads again. */
const COPIED = /(?:^|\.)(?:embed_tokens|lm_head)(?:\.base_layer)?\.weight$/

function addSide(
  pairs: Map<string, { a?: string; b?: string }>,
  path: string,
  side: 'a' | 'b',
  name: string,
  faults: string[],
): void {
  const pair = pairs.get(path) ?? {}
  if (pair[side] !== undefined) faults.push(`${name} stands for the same matrix as ${pair[side]}`)
  pair[side] = name
  pairs.set(path, pair)
}

function isSaved({ modulesToSave }: LoraConfig, tensorPath: string): boolean {
  return modulesToSave.some((name) => isSavedBy(name, tensorPath))
}

/** PEFT saves every module whose path ends with one of the names, be it inside a word: `norm` is `input_layernorm` too. */
export function isSavedBy(name: string, tensorPath: string): boolean {
  const module = tensorPath.replace(/\.[^.]+$/, '')
  return `${module}.`.includes(`${name}.`)
}

function joinPair(
  config: LoraConfig,
  source: WeightSource,
  path: string,
  { a, b }: { a?: string; b?: string },
): LoraModule | string {
  if (a === undefined) return `${path} has lora_B but no lora_A`
  if (b === undefined) return `${path} has lora_A but no lora_B`
  const [infoA, infoB] = [source.tensors.get(a) as TensorInfo, source.tensors.get(b) as TensorInfo]
  const { rank, scale } = moduleScale(config, path)
  const [rankA, columns] = infoA.shape
  const [rows, rankB] = infoB.shape
  const isPair =
    infoA.shape.length === 2 && infoB.shape.length === 2 && rankA === rank && rankB === rank
  if (!isPair || rows === undefined || columns === undefined) {
    return `${path} should be [${rank},…] and […,${rank}] by adapter_config.json but has ${formatType(infoA.dtype, infoA.shape)} and ${formatType(infoB.dtype, infoB.shape)}`
  }
  return { rank, scale, a, b, rows, columns }
}

// A wrong config makes every pair wrong; the first ones tell.
const MAX_FAULTS_SHOWN = 20

export function adapterFaults(faults: readonly string[]): CheckpointError {
  const shown = faults.slice(0, MAX_FAULTS_SHOWN).map((fault) => `\n  ${fault}`)
  const rest = faults.length > shown.length ? `\n  and ${faults.length - shown.length} more` : ''
  return new CheckpointError(
    'CHECKPOINT_ADAPTER',
    `weights: expected a LoRA adapter that fits its config and base, ${faults.length} faults came; ` +
      `do adapter and base belong together?${shown.join('')}${rest}`,
  )
}
