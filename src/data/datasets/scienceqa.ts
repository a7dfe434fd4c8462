/**
 * ScienceQA as Hugging Face stores it: multiple choice with a lecture and an explanation, some with a picture.
 *
 * {"image": {"bytes": …}, "question": "Which of these states is farthest north?", "choices": ["West Virginia", "Louisiana", "Arizona",
 * "Oklahoma"], "answer": 0, "hint": "", "lecture": "Maps have four cardinal directions, …", "solution": "To find the answer, look at the
 * compass rose. …"}
 *
 * Learnt in the form QCM-LEA: question, context and options asked; lecture, explanation and answer told.
 * Paper: arXiv:2209.09513; huggingface.co/datasets/derek-thomas/ScienceQA (CC BY-SA 4.0). Conversion: `scripts/convert_sqa_to_llava.py`
 * and `convert_sqa_to_llava_base_prompt.py` of haotian-liu/LLaVA at c121f04; its `replace("  ", " ")` makes two spaces of three.
 */
import { describe, idOf, imagesOf, structureFault, textOf, type RowFormat } from '../row-format.ts'

export const scienceqa: RowFormat = {
  name: 'scienceqa',
  about: 'question, choices, answer, hint, lecture and solution with image',
  matches: (row) => 'question' in row && 'choices' in row && 'answer' in row,
  read(row, where) {
    const text = (name: string) => textOf(row[name] ?? '', name, where)
    const choices = choicesOf(row['choices'], where)
    const answer = answerOf(row['answer'], choices.length, where)
    const context = text('hint') || 'N/A'
    const options = choices.map((choice, i) => `(${letterOf(i)}) ${choice}`).join(' ')
    const question = withoutMark(
      `Question: ${text('question')}\nContext: ${context}\nOptions: ${options}\n`,
    )
    const told = `${text('lecture')} ${text('solution')} The answer is ${letterOf(answer)}.`
    const images = imagesOf(row, where)
    return {
      id: idOf(row),
      origin: null,
      images,
      videos: [],
      turns: [
        { from: 'human', value: images.length > 0 ? `${question}\n<image>` : question },
        { from: 'gpt', value: withoutMark(`Answer: ${told}`) },
      ],
    }
  },
}

function choicesOf(value: unknown, where: string): string[] {
  if (Array.isArray(value) && value.length > 0 && value.length <= 26) {
    return value.map((choice: unknown) => textOf(choice, 'choices', where))
  }
  throw structureFault(where, `choices should be a list of texts, ${describe(value)} came`)
}

/** Parquet stores whole numbers of 64 bits as bigint. */
function answerOf(value: unknown, choices: number, where: string): number {
  const place = typeof value === 'bigint' ? Number(value) : value
  if (typeof place === 'number' && Number.isInteger(place) && place >= 0 && place < choices) {
    return place
  }
  throw structureFault(
    where,
    `answer should be the place of one of ${choices} choices, ${describe(value)} came`,
  )
}

function letterOf(place: number): string {
  return String.fromCharCode(0x41 + place)
}

/** The mark in front goes, and with it every other one in the text, as in the original. */
function withoutMark(text: string): string {
  const [mark] = text.split(' ', 1)
  return text.replaceAll('  ', ' ').trim().replaceAll(`${mark} `, '')
}
