/** The adapter of a packed model: how much of the trained ones counts, and the config of all as one. */
import { ConfigError } from './core/errors.ts'
import { heldInFull, type Trained } from './pack-tensors.ts'
import { joinedModule } from './stack-adapters.ts'
import type { LoraAdapter } from './weights/index.ts'
import { isSavedBy } from './weights/lora.ts'

export type AdapterShares = {
  /** How much of the trained adapters counts: with less than 1 more is left of what the base knew. */
  readonly adapterScale?: number | undefined
  /** The same of modules by the end of their names, such as `up_proj`: times `adapterScale`. */
  readonly moduleScales?: Readonly<Record<string, number>> | undefined
}

/** Throws ConfigError for shares that are none. */
export function checkShares({ adapterScale = 1, moduleScales = {} }: AdapterShares): void {
  checkScale('adapterScale', adapterScale)
  for (const [name, scale] of Object.entries(moduleScales))
    checkScale(`moduleScales.${name}`, scale)
}

function checkScale(name: string, scale: number): void {
  if (scale > 0 && scale <= 1) return
  throw new ConfigError(
    'CONFIG_ADAPTER_SCALE',
    `pack: ${name} should be over 0 and at most 1, ${scale} came; leave it out for the whole.`,
  )
}

/** The adapters with as much of each module as counts. */
export function scaledAdapters(
  adapters: readonly LoraAdapter[],
  { adapterScale = 1, moduleScales = {} }: AdapterShares,
): readonly LoraAdapter[] {
  const leaf = (path: string) => path.slice(path.lastIndexOf('.') + 1)
  const names = new Set(adapters.flatMap(({ modules }) => [...modules.keys()].map(leaf)))
  const unknown = Object.keys(moduleScales).find((name) => !names.has(name))
  if (unknown !== undefined) {
    throw new ConfigError(
      'CONFIG_ADAPTER_SCALE',
      `pack: moduleScales should name modules of the adapter, ${[...names].sort().join(', ')}; ${unknown} came.`,
    )
  }
  return adapters.map((adapter) => ({
    ...adapter,
    modules: new Map(
      [...adapter.modules].map(([path, module]) => {
        const scale = module.scale * adapterScale * (moduleScales[leaf(path)] ?? 1)
        return [path, { ...module, scale }]
      }),
    ),
  }))
}

/** What packing changes of a config that an adapter was opened with. */
export type AdapterConfig = {
  readonly r: number
  readonly lora_alpha: number
  readonly modules_to_save?: readonly string[] | null
}

/** The config of what is left of all adapters, lowest first, of which the last one's says the rest; its base is the folder itself. */
export function packedAdapterConfig(configs: readonly AdapterConfig[], trained: Trained): object {
  const modules = [...trained.values()].flatMap(({ name, products }) => {
    if (products.length === 0) return []
    const { rank, scale } = joinedModule(products)
    return { path: name.replace(/\.weight$/, ''), rank, alpha: scale * rank }
  })
  const held = [...heldInFull(trained).keys()]
  const named = new Set(configs.flatMap(({ modules_to_save }) => modules_to_save ?? []))
  const saved = [...named].filter((name) => held.some((weight) => isSavedBy(name, weight)))
  const { r, lora_alpha, ...rest } = configs.at(-1) as AdapterConfig
  const { rank, alpha } = modules[0] ?? { rank: r, alpha: lora_alpha }
  const others = (key: 'rank' | 'alpha', usual: number) =>
    Object.fromEntries(
      modules.flatMap((module) => (module[key] === usual ? [] : [[module.path, module[key]]])),
    )
  return {
    ...rest,
    base_model_name_or_path: '.',
    r: rank,
    lora_alpha: alpha,
    use_rslora: false,
    rank_pattern: others('rank', rank),
    alpha_pattern: others('alpha', alpha),
    target_modules: modules.map(({ path }) => path),
    modules_to_save: saved.length > 0 ? saved : null,
  }
}
