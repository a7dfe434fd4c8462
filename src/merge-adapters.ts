/** PEFT adapters merged into the parts of a model, in whichever version's names either was written. */
import { parameterPath } from './families/parameter-names.ts'
import type { WeightPart } from './families/parameter-map.ts'
import { isOfTiedPair, withTiedTwin } from './families/tied-head.ts'
import type { WeightSource } from './weights/index.ts'
import { mergeLora } from './weights/lora-merge.ts'
import { openLoraAdapter, type LoraAdapter } from './weights/lora.ts'

export type MergeOptions = {
  readonly keep: (source: WeightSource) => void
  /** Whether the head is the embedding's matrix, as far as the config knows. */
  readonly isTied: boolean
}

/**
 * The parts with the adapters in `folders` merged into them, in order: each matrix into the last part that has its base.
 *
 * PEFT names modules as transformers had them in memory when it trained them, the files of the base are older or newer:
 * both are read by our rules, and what has one path is one weight. The adapters' files are handed to `keep`, whose they are.
 * An adapter of one of two tied matrices leaves the other as it is, as PEFT's does until it is merged (`merge_and_unload`
 * of a LoRA of the head would change the embedding too, and warns).
 * Throws CheckpointError as mergeLora does; what no part has is missing from the last one.
 */
export function mergeAdapters(
  parts: readonly WeightPart[],
  folders: readonly string[],
  { keep, isTied }: MergeOptions,
): readonly WeightPart[] {
  if (folders.length === 0) return parts
  const adapters = folders.map(openLoraAdapter)
  for (const { source } of adapters) keep(source)
  const whole = isTied && adapters.some(trainsTiedPair) ? withTiedTwin(parts) : parts
  const names = whole.map(baseNames)
  const owner = (trained: string) => {
    const found = names.findLastIndex((baseName) => baseName(trained) !== undefined)
    return found < 0 ? whole.length - 1 : found
  }
  return whole.map(({ source, rules }, part) => {
    const shares = adapters
      .map((adapter) => shareOf(adapter, (trained) => owner(trained) === part))
      .filter(({ modules, replacements }) => modules.size + replacements.size > 0)
    if (shares.length === 0) return { source, rules }
    const baseName = names[part]
    return { source: mergeLora(source, shares, (name) => baseName?.(name) ?? name), rules }
  })
}

function trainsTiedPair({ modules, replacements }: LoraAdapter): boolean {
  const names = [...[...modules.keys()].map((path) => `${path}.weight`), ...replacements.keys()]
  return names.some(isOfTiedPair)
}

/** What a part calls a tensor of the model that was trained; undefined where it has none. */
function baseNames({ source, rules }: WeightPart): (trained: string) => string | undefined {
  const byPath = new Map<string, string>()
  const byLeaf = new Map<string, string>()
  for (const name of source.tensors.keys()) {
    const path = parameterPath(rules, name)
    if (path) byPath.set(path, name)
    else byLeaf.set(leaf(name), name)
  }
  return (trained) => {
    const path = parameterPath(rules, trained)
    if (path) return byPath.get(path)
    return source.tensors.has(trained) ? trained : byLeaf.get(leaf(trained))
  }
}

/** What nothing reads has no path of ours; without the wrappers' names it is the same in every version. */
function leaf(name: string): string {
  return name.replace(/^(?:(?:model|language_model|vision_tower|vision_model)\.)+/, '')
}

function shareOf(adapter: LoraAdapter, isMine: (trained: string) => boolean): LoraAdapter {
  const { modules, replacements } = adapter
  return {
    ...adapter,
    modules: new Map([...modules].filter(([path]) => isMine(`${path}.weight`))),
    replacements: new Map([...replacements].filter(([name]) => isMine(name))),
  }
}
