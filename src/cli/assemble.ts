/** `llava assemble`: a language model and a vision tower become a new model that can be trained. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { assembleModel } from '../assemble-model.ts'
import { BLOCK_TYPES, type BlockType } from '../weights/block-search.ts'
import type { Arguments } from './arguments.ts'
import { outFolder } from './out-folder.ts'
import { Progress } from './progress.ts'
import { UsageError } from './usage-error.ts'
import type { Verb } from './verb.ts'

export const assemble: Verb = {
  options: [
    {
      name: 'vision-tower',
      kind: 'text',
      value: 'folder',
      about: 'The tower: weights and config.json',
    },
    {
      name: 'image-token',
      kind: 'text',
      value: 'token',
      about: 'An unused special token of the vocabulary that becomes <image>',
    },
    { name: 'out', kind: 'text', value: 'folder', about: 'Where to; new or empty' },
    {
      name: 'patch-merge',
      kind: 'number',
      value: 'n',
      about: 'Squares of n × n patches become one row (default: 1)',
    },
    {
      name: 'pictures',
      kind: 'texts',
      value: 'folder',
      about: 'Pictures that the sizes of the channels are measured on; repeat for more',
    },
    {
      name: 'picture-count',
      kind: 'number',
      value: 'n',
      about: 'Pictures that are taken of each folder, evenly spread (default: 100)',
    },
    {
      name: 'embeddings',
      kind: 'text',
      choices: BLOCK_TYPES,
      about: 'Blocks that the embeddings are stored in (default: as they are)',
    },
    { name: 'seed', kind: 'number', value: 'n', about: 'Of the projector (default: 0)' },
  ],
  examples: [
    'assemble SmolLM2-135M-Instruct.Q4_1.gguf --vision-tower vit-tiny --image-token "<empty_output>" --patch-merge 2 --pictures photos --out base',
  ],
  async run(args, { terminal }) {
    const out = outFolder(args, 'assemble')
    const progress = new Progress(terminal)
    try {
      const files = await assembleModel(out, {
        decoder: args.positionals[0] as string,
        visionTower: needed(args, 'vision-tower', 'the folder of the tower'),
        imageToken: needed(args, 'image-token', 'a special token that nothing uses'),
        pictures: picturesOf(args),
        patchMerge: args.number('patch-merge'),
        embeddings: args.text('embeddings') as BlockType | undefined,
        seed: args.number('seed'),
        onProgress: (state) => progress.update({ stage: 'measure', ...state }),
      })
      progress.end()
      if (terminal.isJson) terminal.json({ out, files })
      else terminal.print(`${out}: ${files.join(', ')}`)
    } finally {
      progress.end()
    }
  },
}

function needed(args: Arguments, name: string, what: string): string {
  const value = args.text(name)
  if (value !== undefined) return value
  throw new UsageError(`llava assemble needs --${name}, ${what}.`)
}

const PICTURE = /\.(?:jpe?g|png|webp|bmp|gif)$/i

/** The same pictures in the same order on every machine. */
function picturesOf(args: Arguments): string[] {
  const count = args.number('picture-count') ?? 100
  return args.texts('pictures').flatMap((folder) => {
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
      throw new UsageError(`--pictures ${folder} is no folder.`)
    }
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => PICTURE.test(name))
      .sort()
    if (names.length === 0) throw new UsageError(`--pictures ${folder} holds no picture.`)
    const taken = Math.min(count, names.length)
    return Array.from({ length: taken }, (_, i) =>
      join(folder, names[Math.floor((i * names.length) / taken)] as string),
    )
  })
}
