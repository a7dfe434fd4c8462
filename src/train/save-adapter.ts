/**
 * Trained adapters as PEFT saves them; what was trained in full beside them as its `modules_to_save`.
 *
 * Source: peft 0.21 `utils/save_and_load.py`, `tuners/lora/config.py`.
 */
import { jsonText } from '../core/json-numbers.ts'
import { memoryName, originalMemoryName } from '../families/convert/target-names.ts'
import type { ModelConfig } from '../families/family.ts'
import type { Replaced } from '../weights/check-replaced-node.ts'
import { ADAPTER_STACK, adapterStackText } from '../weights/adapter-stack.ts'
import { writeFolderAtomically } from '../weights/folder-node.ts'
import { writeSafetensors } from '../weights/index.ts'
import { joinPath, writeFileAtomically } from '../weights/node.ts'
import type { LoraModule } from './lora-modules.ts'
import type { TrainerSettings } from './options.ts'
import type { ParameterStore } from './parameter-store.ts'
import type { StoredName, Trained } from './trained-parameters.ts'

export type AdapterParts = {
  /** Where the base is: a folder, a .gguf file or a hub id. */
  readonly base: string
  /** Absolute paths of adapters that lie under it and that the base has not, the lowest first. */
  readonly under: readonly string[]
  readonly config: ModelConfig
  readonly settings: TrainerSettings
  readonly modules: readonly LoraModule[]
  readonly store: ParameterStore
  /** Of frozen parameters, beside the trained ones. */
  readonly held: Trained['held']
  readonly stored: (path: string) => StoredName
  /** README.md */
  readonly card: string
  /** Where the base's own would have the adapter read otherwise than it was trained, by name. */
  readonly learnt: ReadonlyMap<string, unknown>
  /** Of what is in the folder. */
  readonly replaces: Replaced
}

/** Throws CheckpointError where the disk refuses or the folder is another's. */
export async function saveAdapter(folder: string, parts: AdapterParts): Promise<void> {
  const { store, held, stored, under, card, learnt, replaces } = parts
  const tensors = [...store.paths, ...held.keys()].map((path) => {
    const { shape } = stored(path)
    return { name: adapterName(path, parts), dtype: 'float32' as const, shape, path }
  })
  tensors.sort((a, b) => (a.name < b.name ? -1 : 1))
  const paths = new Map(tensors.map(({ name, path }) => [name, path]))
  const config = `${JSON.stringify(adapterConfig(parts, [...paths.keys()]), null, 2)}\n`
  await writeFolderAtomically(
    folder,
    async (temporary) => {
      const write = (name: string, text: string) =>
        writeFileAtomically(joinPath(temporary, name), (append) =>
          append(new TextEncoder().encode(text)),
        )
      await writeSafetensors(
        joinPath(temporary, 'adapter_model.safetensors'),
        tensors,
        ({ name }) => {
          const path = paths.get(name) as string
          return held.get(path) ?? store.weight(path).data
        },
        { metadata: { format: 'pt' } },
      )
      await write('adapter_config.json', config)
      if (under.length > 0) await write(ADAPTER_STACK, adapterStackText(under))
      for (const [name, json] of learnt) await write(name, jsonText(json))
      await write('README.md', card)
    },
    { kind: 'model', replaces },
  )
}

/** As PEFT names a parameter of the wrapped model: adapters by what they are stored as, the rest by what it is in memory. */
function adapterName(path: string, { stored, config }: AdapterParts): string {
  const { name } = stored(path)
  return name.startsWith(WRAPPED) ? name : `${WRAPPED}${nameInMemory(path, config)}`
}

const WRAPPED = 'base_model.model.'

/** A language model without eyes is in no wrapper, as the original code's is in none. */
function nameInMemory(path: string, { layout, vision, projector }: ModelConfig): string {
  const kind = vision?.kind ?? 'clip'
  const projectorDepth = projector?.depth ?? 0
  return layout === 'hf' && vision
    ? memoryName(path, kind)
    : originalMemoryName(path, { kind, projectorDepth })
}

function adapterConfig(
  { base, settings, modules }: AdapterParts,
  names: readonly string[],
): object {
  const { rank, alpha, dropout } = settings.lora as NonNullable<TrainerSettings['lora']>
  const inFull = new Set(
    names.flatMap(
      (name) => MODULE_IN_FULL.exec(name)?.[1] ?? DECODER_IN_FULL.exec(name)?.[1] ?? [],
    ),
  )
  return {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: base,
    inference_mode: true,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: dropout,
    bias: 'none',
    init_lora_weights: true,
    fan_in_fan_out: false,
    use_rslora: false,
    use_dora: false,
    rank_pattern: {},
    alpha_pattern: {},
    target_modules: modules.map(({ name }) => name),
    modules_to_save: inFull.size > 0 ? [...inFull] : null,
  }
}

/**
 * Modules beside the language model that are trained whole, in both layouts. PEFT wants every tensor of a module that it is
 * told of, and of a tower the last blocks, the norm behind them and a pooler are not read: so its blocks are named one by one.
 */
const MODULE_IN_FULL =
  /^base_model\.model\.model\.(multi_modal_projector|mm_projector|vision_tower\..*?(?:embeddings|pre_layrnorm|layers\.\d+))\./

/** Modules of the language model, which another adapter brought whole. */
const DECODER_IN_FULL =
  /^base_model\.model\.((?:model|lm_head)(?!.*(?:\.lora_|vision|projector)).*?)\.(?:weight|bias)$/
