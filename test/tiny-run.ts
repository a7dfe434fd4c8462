/** Recipes and records that tests of runs share: the smallest recorded checkpoint, and pictures of one colour each. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export const TINY_MODEL = join('fixtures', 'inference', 'mini-vit-crop')

const COLOURS: Readonly<Record<string, readonly [number, number, number]>> = {
  red: [220, 20, 20],
  green: [20, 200, 40],
  blue: [20, 40, 230],
  white: [245, 245, 245],
}

export type TinyRow = {
  readonly id: string
  readonly image?: string
  readonly conversations: readonly { readonly from: 'human' | 'gpt'; readonly value: string }[]
}

/** Questions about the colour of a picture, two turns each; `count` rows. Pictures are written into the folder. */
export function colourRows(folder: string, count: number): TinyRow[] {
  mkdirSync(folder, { recursive: true })
  const names = Object.keys(COLOURS)
  for (const [name, rgb] of Object.entries(COLOURS)) {
    const pixels = Buffer.alloc(16 * 16 * 3, Buffer.from(rgb))
    writeFileSync(
      join(folder, `${name}.ppm`),
      Buffer.concat([Buffer.from('P6 16 16 255\n'), pixels]),
    )
  }
  return Array.from({ length: count }, (_, i) => {
    const name = names[i % names.length] as string
    return {
      id: String(i),
      image: `${name}.ppm`,
      conversations: [
        { from: 'human', value: '<image>\nWhich colour?' },
        { from: 'gpt', value: name },
        { from: 'human', value: i % 3 === 0 ? 'Sure?' : 'Are you sure?' },
        { from: 'gpt', value: 'Yes.' },
      ],
    }
  })
}

/** The same rows with nothing to see. */
export function blindRows(rows: readonly TinyRow[]): TinyRow[] {
  return rows.map(({ id, conversations }) => ({
    id,
    conversations: conversations.map(({ from, value }) => ({
      from,
      value: value.replace('<image>\n', ''),
    })),
  }))
}

/** Writes the rows and gives a recipe over them that runs into `folder`. */
export function tinyRecipe(
  folder: string,
  rows: readonly unknown[],
  overrides: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'rows.json')
  writeFileSync(path, JSON.stringify(rows))
  return {
    model: TINY_MODEL,
    stage: 'instruction',
    learningRate: 3e-3,
    schedule: { kind: 'constant' },
    steps: 4,
    batchSize: 2,
    data: { path, imageFolder: folder },
    output: join(folder, 'run'),
    ...overrides,
  }
}
