/** A LoRA adapter of a few matrices in PEFT's layout. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { elementCount } from '../../src/core/shape.ts'
import { writeSafetensors } from '../../src/weights/index.ts'

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
