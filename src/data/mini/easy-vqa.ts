/** Small pictures of one shape with their own questions: easy-VQA (MIT), its own train and test split. */
import { InputError } from '../../core/errors.ts'
import type { BuildContext, Builder, Conversation, Question } from './builder.ts'
import type { Lots } from './lots.ts'
import { readAssetText } from './read-assets.ts'
import { capitalise, type Turn } from './turn.ts'

export const easyVqa: Builder = {
  name: 'easy-vqa',
  about: 'shapes with the questions of easy-VQA',
  folder: 'easy-vqa',
  counts: { alignment: 0, instruction: 300, test: 300 },

  async *instruction({ assets, lots, count }: BuildContext): AsyncGenerator<Conversation> {
    const pictures = readPictures(assets, 'train')
    for (const [id, turns] of lots.sample([...pictures], count)) {
      yield { pictures: [pictureOf('train', id)], turns: chooseTurns(turns, lots), isBrief: true }
    }
  },

  async *test({ assets, lots, count }: BuildContext): AsyncGenerator<Question> {
    const all = [...readPictures(assets, 'test')].flatMap(([id, turns]) =>
      turns.map((turn) => ({ id, turn })),
    )
    for (const { id, turn } of lots.sample(all, count)) {
      yield { pictures: [pictureOf('test', id)], turn }
    }
  },
}

type Split = 'train' | 'test'

function pictureOf(split: Split, id: number) {
  return { file: `easy-vqa/${split}/images/${id}.png` }
}

/** The questions by picture. Source: easy-vqa `gen_data/questions.py`: `[question, answer, picture]`. */
function readPictures(assets: string, split: Split): ReadonlyMap<number, readonly Turn[]> {
  const path = `easy-vqa/${split}/questions.json`
  const rows: unknown = JSON.parse(readAssetText(assets, path))
  const pictures = new Map<number, Turn[]>()
  for (const row of Array.isArray(rows) ? rows : []) {
    const { id, turn } = parseRow(row, path)
    const turns = pictures.get(id)
    if (turns === undefined) pictures.set(id, [turn])
    else turns.push(turn)
  }
  return pictures
}

function parseRow(row: unknown, path: string): { readonly id: number; readonly turn: Turn } {
  const [question, answer, id] = Array.isArray(row) ? (row as unknown[]) : []
  if (typeof question !== 'string' || typeof answer !== 'string' || typeof id !== 'number') {
    throw new InputError(
      'INPUT_ASSET_DAMAGED',
      `data: ${path} should hold [question, answer, picture], but has ${JSON.stringify(row)}; take easy-VQA's file.`,
    )
  }
  return { id, turn: { task: 'shapes', question, form: 'word', answer: capitalise(answer) } }
}

/** Up to two answered yes, two answered no, and two others. */
function chooseTurns(turns: readonly Turn[], lots: Lots): Turn[] {
  const some = (isWanted: (answer: string) => boolean) =>
    lots.sample(
      turns.filter(({ answer }) => isWanted(answer)),
      2,
    )
  const [yes, no] = [some((answer) => answer === 'Yes'), some((answer) => answer === 'No')]
  const each = Math.min(yes.length, no.length)
  const others = some((answer) => answer !== 'Yes' && answer !== 'No')
  return lots.shuffle([...yes.slice(0, each), ...no.slice(0, each), ...others])
}
