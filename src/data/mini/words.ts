/** Drawn words and numbers, with questions about how they read. */
import type { Region } from '../record.ts'
import type { BuildContext, Builder, Captioned, Conversation, Question } from './builder.ts'
import { Lexicon, TEST_LENGTHS } from './lexicon.ts'
import type { Lots } from './lots.ts'
import type { Wishes } from './scene-questions.ts'
import { wishesFrom } from './scenes.ts'
import type { Turn } from './turn.ts'
import { HELD_OUT_WORDS, TRAINED_WORDS } from './word-list.ts'
import {
  drawNumber,
  drawPage,
  drawTexts,
  pagePicture,
  setCase,
  type Page,
  type Written,
} from './word-page.ts'
import { askAbout, captionOf, readNumber, readWord, yesNo } from './word-questions.ts'

export const words: Builder = {
  name: 'words',
  about: 'drawn words and numbers to read and spell',
  counts: { alignment: 500, instruction: 1300, test: 200 },

  async *alignment({ lots, count }: BuildContext): AsyncGenerator<Captioned> {
    const lexicon = new Lexicon(lots, TRAINED_WORDS)
    for (let i = 0; i < count; i++) {
      const page = drawPage(lots, drawTexts(lots, lexicon))
      yield {
        picture: await pagePicture(page),
        caption: captionOf(page),
        regions: page.lines.flatMap(regionsOf),
      }
    }
  },

  async *instruction({ lots, count }: BuildContext): AsyncGenerator<Conversation> {
    const wishes = wishesFrom(lots)
    const lexicon = new Lexicon(lots, TRAINED_WORDS)
    const brief = lots.deck([true, true, true, false])
    for (let i = 0; i < count; i++) {
      const page = drawPage(lots, drawTexts(lots, lexicon))
      const turns = askAbout(page, wishes, lexicon)
      yield { pictures: [await pagePicture(page)], turns, isBrief: brief() }
    }
  },

  async *test({ lots, count }: BuildContext): AsyncGenerator<Question> {
    for (const [task, draw] of Object.entries(TESTS)) {
      const own = lots.fork(task)
      const next = draw(own, wishesFrom(own))
      for (let i = 0; i < count; i++) {
        const { page, turn } = next()
        yield { pictures: [await pagePicture(page)], turn: { ...turn, task } }
      }
    }
  },
}

/** The whole in the middle, with its colour, and each letter where it stands: letters are learnt long before words. */
function regionsOf({ text, color, at, letters }: Written): Region[] {
  const spelt = letters.map((place, i) => ({ at: place, says: text[i] as string }))
  return [{ at, says: `${text} ${color}` }, ...(text.length > 1 ? spelt : [])]
}

type Drawn = { readonly page: Page; readonly turn: Turn }
type TestMaker = (lots: Lots, wishes: Wishes) => () => Drawn

/** One word in one line; `lexicon` says which. */
function readTest(list: readonly string[]): TestMaker {
  return (lots) => {
    const lexicon = new Lexicon(lots, list)
    const length = lots.deck(TEST_LENGTHS)
    return () => {
      const text = setCase(lexicon.ofLength(length()), lots)
      const page = drawPage(lots, [text])
      return { page, turn: readWord(page.lines[0] as Written) }
    }
  }
}

const TESTS: Readonly<Record<string, TestMaker>> = {
  words: readTest(TRAINED_WORDS),
  'words-unseen': readTest(HELD_OUT_WORDS),
  numbers: (lots) => () => {
    const page = drawPage(lots, [drawNumber(lots)])
    return { page, turn: readNumber(page.lines[0] as Written) }
  },
  'word-presence': (lots, wishes) => {
    const lexicon = new Lexicon(lots, TRAINED_WORDS, TEST_LENGTHS)
    return () => {
      const text = setCase(lexicon.ofLength(lots.pick(TEST_LENGTHS)), lots)
      const page = drawPage(lots, [text])
      return { page, turn: yesNo(page.lines[0] as Written, wishes, lexicon) as Turn }
    }
  },
}
