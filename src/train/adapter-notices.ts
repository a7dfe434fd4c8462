/** What an adapter's folder alone does not say: which parts it was trained over, and who can open it. */
import type { Checkpoint } from '../load-checkpoint.ts'
import { ggufFile } from './check-savable.ts'
import type { TrainerOptions, TrainerSettings } from './options.ts'

export type GivenParts = {
  readonly options: TrainerOptions
  readonly settings: TrainerSettings
}

/** A sentence each. */
export function adapterNotices(
  {
    config,
    documents,
    adapters,
    files,
  }: Pick<Checkpoint, 'config' | 'documents' | 'adapters' | 'files'>,
  given: GivenParts,
): readonly string[] {
  const gguf = ggufFile({ files })
  const flags = flagsOf(given)
  const parts = [gguf ?? documents.name, ...flags, '--adapter FOLDER'].join(' ')
  const source = flags.length > 0 ? parts : 'FOLDER'
  const merging =
    config.vision === null
      ? '`llava convert` takes no model without eyes and merges none of them'
      : `\`llava convert ${source} --to llava-hf\` merges all of them`
  const opening = `--model ${parts}`
  return [
    ...(adapters.length > 0
      ? [
          `Under it lie adapters that are merged first (${adapters.join(', ')}). PEFT opens one adapter over a whole model and so not this one; ${merging}.`,
        ]
      : []),
    ...(gguf !== undefined
      ? [
          `Its base is a .gguf file, which is not found through an adapter; open it with \`${opening}\`.`,
        ]
      : flags.length > 0
        ? [`It was trained over parts that its base does not name; open it with \`${opening}\`.`]
        : []),
  ]
}

/** Flags of what lay elsewhere and is not saved with the adapter. */
function flagsOf({ options, settings }: GivenParts): string[] {
  const { adapters = [], projector, visionTower } = options
  const { baseFolder, trainable } = settings
  const isFrozen = (part: 'vision' | 'projector') => !trainable.includes(part)
  const flags: readonly (readonly [string, string | null | undefined])[] = [
    ['base', baseFolder],
    ['vision-tower', isFrozen('vision') ? visionTower : null],
    ['projector', isFrozen('projector') ? projector : null],
    ...adapters.map((adapter) => ['adapter', adapter] as const),
  ]
  return flags.flatMap(([flag, part]) => (part ? [`--${flag} ${part}`] : []))
}
