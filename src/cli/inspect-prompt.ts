/** How a prompt becomes tokens: rendered, tokenised, with the pictures' places marked. */
import { buildPrompt, rawPrompt, type PromptPart } from '../families/build-prompt.ts'
import { checkTemplate } from '../families/check-places.ts'
import type { ModelConfig } from '../families/family.ts'
import { InputError } from '../core/errors.ts'
import type { Checkpoint } from '../load-checkpoint.ts'
import { countImageTokens, imageSizeOf } from '../preprocess/index.ts'
import { loadTokenizer, type Tokenizer } from '../text/index.ts'
import { featureRows } from '../vision/vision-transformer.ts'
import type { Arguments } from './arguments.ts'
import type { Description } from './inspect.ts'
import type { Terminal } from './terminal.ts'
import type { Session } from './verb.ts'

type Token = {
  readonly id: number
  /** As the vocabulary writes it; null for the place of a picture. */
  readonly token: string | null
  /** What it adds to the text. */
  readonly text: string
  readonly kind: 'text' | 'special' | 'image'
  /** Rows that a picture takes in the place of this one. */
  readonly count: number
}

export async function describePrompt(
  _model: string,
  checkpoint: Checkpoint,
  args: Arguments,
  { terminal }: Session,
): Promise<Description> {
  const { config } = checkpoint
  const tokenizer = await loadTokenizer(checkpoint.tokenizerPath)
  const text = args.text('prompt') ?? ''
  const rows = args.texts('image').map((file) => rowsOf(file, config, args))
  const tools = { config, tokenizer }
  const content: PromptPart[] = [...rows.map(() => IMAGE), { type: 'text', text }]
  const { prompt, ids } = args.flag('raw')
    ? rawPrompt(text, tools)
    : buildPrompt([{ role: 'user', content }], tools)
  if (rows.length > 0 && !args.flag('raw')) {
    const media = rows.map(() => IMAGE.type)
    checkTemplate(ids, media, tools)
  }
  const places = ids.filter((id) => id === config.image?.placeholder).length
  if (places !== rows.length) {
    throw new InputError(
      'INPUT_IMAGE_COUNT',
      `inspect: the prompt has ${places} image placeholders but ${rows.length} pictures came with it; give one --image for each.`,
    )
  }
  const tokens = tokensOf(ids, rows, { tokenizer, placeholder: config.image?.placeholder })
  const image = rows.reduce((sum, count) => sum + count, 0)
  const counts = { text: ids.length - places, image, total: ids.length - places + image }
  return {
    facts: { kind: 'prompt', model: checkpoint.documents.name, prompt, counts, tokens },
    lines: [
      coloured(tokens, terminal),
      '',
      ...tokens.map((token) => tableLine(token)),
      '',
      `${counts.total} tokens: ${counts.text} of text, ${counts.image} of pictures; the context holds ${config.maxContext}`,
    ],
  }
}

const IMAGE = { type: 'image' } as const

/** Rows of a picture by its header. A tower that keeps its class token gives rows that are no patches. */
function rowsOf(file: string, config: ModelConfig, args: Arguments): number {
  const { image, vision } = config
  // Without a tower the prompt is refused when it is built, by its own name.
  if (!image || !vision) return 1
  const size = imageSizeOf(file, { autoOrient: args.flag('auto-orient') })
  const counted = countImageTokens(size, image.tokens, { pictures: args.texts('image').length })
  if (counted.map !== null) return counted.tokens
  return counted.tiles * featureRows(vision) + (counted.newline === 'end' ? 1 : 0)
}

function tokensOf(
  ids: readonly number[],
  rows: readonly number[],
  { tokenizer, placeholder }: { tokenizer: Tokenizer; placeholder: number | undefined },
): Token[] {
  const stream = tokenizer.stream({ skipSpecial: false })
  let pictures = 0
  return ids.map((id): Token => {
    if (id === placeholder) {
      return { id, token: null, text: '<image>', kind: 'image', count: rows[pictures++] ?? 0 }
    }
    const kind = tokenizer.specialIds.has(id) ? 'special' : 'text'
    return { id, token: tokenizer.tokenOf(id) ?? null, text: stream.push(id), kind, count: 1 }
  })
}

/** The prompt as it reads, neighbouring tokens in different colours. */
function coloured(tokens: readonly Token[], terminal: Terminal): string {
  return tokens
    .map(({ text, kind, count }, i) => {
      if (kind === 'image') return terminal.style('magenta', `[image × ${count}]`)
      if (kind === 'special') return terminal.style('yellow', text)
      return terminal.style(i % 2 === 0 ? 'cyan' : 'green', text)
    })
    .join('')
}

function tableLine({ id, token, kind, count }: Token): string {
  const shown = kind === 'image' ? `image × ${count}` : JSON.stringify(token)
  return `${String(id).padStart(8)}  ${shown}`
}
