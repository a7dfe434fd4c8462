/** A LoRA adapter of a few matrices in PEFT's layout. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { elementCount } from '../../src/core/shape.ts'
import { openFileBytes, readSafetensors, writeSafetensors } from '../../src/weights/index.ts'

const RANK = 2

/** Writes pairs for the weights of these names and shapes; each element of a pair is what `draw` gives. */
export async function writeTinyAdapter(
  folder: string,
  matrices: ReadonlyMap<string, readonly number[]>,
  draw: (side: 'A' | 'B') => number,
): Promise<string> {
  mkdirSync(folder, { recursive: true })
  const config = { peft_type: 'LORA', r: RANK, lora_alpha: RANK, target_modules: ['q_proj'] }
  writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify(config))
  const plans = [...matrices].flatMap(([name, [rows = 0, columns = 0]]) => {
    const module = `base_model.model.${name.replace(/\.weight$/, '')}`
    return [
      { name: `${module}.lora_A.weight`, dtype: 'float32' as const, shape: [RANK, columns] },
      { name: `${module}.lora_B.weight`, dtype: 'float32' as const, shape: [rows, RANK] },
    ]
  })
  await writeSafetensors(join(folder, 'adapter_model.safetensors'), plans, ({ name, shape }) => {
    const side = name.endsWith('.lora_A.weight') ? 'A' : 'B'
    return Float32Array.from({ length: elementCount(shape) }, () => draw(side))
  })
  return folder
}

type Full = { readonly shape: readonly number[]; readonly data: Float32Array }

/** By their names in the model that was trained. */
export type InFull = ReadonlyMap<string, Full>

/** Puts tensors into an adapter of float32 that is there, as PEFT does for `modules_to_save`. */
export async function addInFull(folder: string, full: InFull): Promise<void> {
  const file = join(folder, 'adapter_model.safetensors')
  const source = readSafetensors(openFileBytes(file))
  const data = new Map<string, Full>()
  for (const [name, { shape }] of source.tensors)
    data.set(name, { shape, data: (source.read(name).data as Float32Array).slice() })
  source.close()
  for (const [name, tensor] of full) data.set(`base_model.model.${name}`, tensor)
  await writeSafetensors(
    file,
    [...data].map(([name, { shape }]) => ({ name, dtype: 'float32', shape })),
    ({ name }) => (data.get(name) as Full).data,
  )
  const path = join(folder, 'adapter_config.json')
  const config = JSON.parse(readFileSync(path, 'utf8')) as { modules_to_save?: string[] | null }
  const modules = [...full.keys()].map((name) => name.replace(/\.[^.]+$/, ''))
  const saved = new Set([...(config.modules_to_save ?? []), ...modules])
  writeFileSync(path, JSON.stringify({ ...config, modules_to_save: [...saved] }))
}

export function filled(shape: readonly number[]): Full {
  const data = Float32Array.from({ length: elementCount(shape) }, (_, i) => Math.sin(i) / 8)
  return { shape, data }
}
