/** `llava pack`: a base and the adapter that was trained on it as one small folder that loads as it is. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { packModel } from '../pack-model.ts'
import { BLOCK_TYPES, type BlockType } from '../weights/block-search.ts'
import type { Arguments } from './arguments.ts'
import { formatBytes, formatTable } from './format.ts'
import { outFolder } from './out-folder.ts'
import { readTextFile } from './read-text-file.ts'
import { UsageError } from './usage-error.ts'
import type { Verb } from './verb.ts'

export const pack: Verb = {
  options: [
    {
      name: 'adapter',
      kind: 'texts',
      value: 'folder',
      about: 'What training saved; repeat for more on top of each other, the lowest first',
    },
    { name: 'out', kind: 'text', value: 'folder', about: 'Where to; new or empty' },
    {
      name: 'card',
      kind: 'text',
      value: 'file',
      about: 'The README.md of the folder (default: that of the last adapter)',
    },
    {
      name: 'blocks',
      kind: 'text',
      choices: BLOCK_TYPES,
      about: 'How tower and projector are stored (default: Q8_0)',
    },
    {
      name: 'adapter-blocks',
      kind: 'text',
      choices: BLOCK_TYPES,
      about: 'How the adapter is stored (default: Q8_0)',
    },
    {
      name: 'adapter-scale',
      kind: 'number',
      value: 'share',
      about: 'How much of the adapters counts; less leaves more of what the base knew (default: 1)',
    },
    {
      name: 'module-scale',
      kind: 'texts',
      value: 'name=share',
      about: 'The same of modules such as up_proj, beside --adapter-scale; repeat for more',
    },
  ],
  examples: ['pack base --adapter runs/mini/instruction/model --card card.md --out models/mini'],
  async run(args, { terminal }) {
    const out = outFolder(args, 'pack')
    const [base] = args.positionals
    const adapters = args.texts('adapter')
    if (base === undefined || adapters.length === 0)
      throw new UsageError('llava pack needs a base and --adapter, what training saved on it.')
    const names = await packModel(out, {
      base,
      adapters,
      card: card(args),
      blocks: args.text('blocks') as BlockType | undefined,
      adapterBlocks: args.text('adapter-blocks') as BlockType | undefined,
      adapterScale: args.number('adapter-scale'),
      moduleScales: moduleScales(args.texts('module-scale')),
      onNotice: (notice) => terminal.note(`note: ${notice}`),
    })
    const files = names.map((name) => ({ name, bytes: statSync(join(out, name)).size }))
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
    if (terminal.isJson) return terminal.json({ out, bytes, files })
    terminal.print(`${out}: ${formatBytes(bytes)}`)
    const rows = files.map((file) => [formatBytes(file.bytes), file.name])
    for (const line of formatTable(rows)) terminal.print(`  ${line}`)
  },
}

function card(args: Arguments): string | undefined {
  const file = args.text('card')
  if (file === undefined) return undefined
  if (statSync(file, { throwIfNoEntry: false })?.isFile()) return readTextFile(file)
  throw new UsageError(
    `--card should be a file with the text of the README.md, ${file} is none; check the path.`,
  )
}

function moduleScales(texts: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    texts.map((text) => {
      const [, name, share] = /^([^=]+)=(.+)$/.exec(text) ?? []
      if (name !== undefined && Number.isFinite(Number(share))) return [name, Number(share)]
      throw new UsageError(`--module-scale should be like up_proj=0.7; ${text} came.`)
    }),
  )
}
