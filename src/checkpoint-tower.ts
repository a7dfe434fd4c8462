/** Whose vision tower counts where a checkpoint holds one and another is given or named. */
import { hasWeightFile } from './checkpoint-folders.ts'
import type { CheckpointDocuments } from './families/family.ts'
import { isObject } from './families/json-reader.ts'
import { isOriginalConfig } from './families/original-parts.ts'
import type { WeightPart } from './families/parameter-map.ts'
import { parameterPath } from './families/parameter-names.ts'
import type { WeightSource } from './weights/index.ts'
import { listFolder } from './weights/node.ts'

/** A tower that is given to a llava-hf checkpoint stands in for its own, of which nothing is left to fill gaps with. */
export function withoutTower(source: WeightSource): WeightSource {
  const tensors = new Map([...source.tensors].filter(([name]) => !isOfTower(name)))
  return { ...source, tensors }
}

export function isOriginal({ files }: CheckpointDocuments): boolean {
  const config = files.get('config.json')
  return isObject(config) && isOriginalConfig(config)
}

export function isOfTower(name: string): boolean {
  return name.includes('vision_tower.')
}

export function hasTower({ tensors }: WeightSource): boolean {
  return [...tensors.keys()].some(isOfTower)
}

/**
 * Original checkpoints whose tower was trained hold it whole. As in the original code the folder that `mm_vision_tower`
 * stands for then gives the config alone, wherever it lies: what was trained wins over what training began with.
 */
export function hasAllOf(tower: WeightPart, parts: readonly WeightPart[]): boolean {
  const pathsOf = ({ source, rules }: WeightPart) =>
    [...source.tensors.keys()].map((name) => parameterPath(rules, name)).filter(Boolean)
  const paths = new Set(parts.flatMap(pathsOf))
  return pathsOf(tower).every((path) => paths.has(path))
}

/** Whether the folder of a tower has no weights, beside an original checkpoint that holds the tower itself. */
export function isConfigAlone(
  tower: string,
  { documents, main }: { readonly documents: CheckpointDocuments; readonly main: WeightSource },
): boolean {
  const names = listFolder(tower)
  const hasWeights = names === undefined || hasWeightFile(names)
  return !hasWeights && isOriginal(documents) && hasTower(main)
}
