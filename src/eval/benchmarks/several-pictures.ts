/**
 * NLVR2, BLINK and Mantis-Eval: questions over several pictures.
 *
 * NLVR2: arXiv:1811.00491, as huggingface.co/datasets/lmms-lab/LLaVA-NeXT-Interleave-Bench (in_domain, sub_task NLVR2_Mantis) asks it:
 *   {"sample_id": 7, "sub_task": "NLVR2_Mantis", "question_type": "multi-choice", "question": "…", "answer": "A", "image_0": …, "image_1": …}
 * or multi_image_in_domain.json of lmms-lab/llava-interleave-bench, with the pictures in Split1 and Split2 beside it:
 *   {"sample_id": 7, "conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value": "A"}], "image": ["Split1/…"], "metadata":
 *   {"dataset": "NLVR2_Mantis", "question_type": "multi-choice"}}
 * BLINK: arXiv:2404.12390 (Apache-2.0), huggingface.co/datasets/BLINK-Benchmark/BLINK, val:
 *   {"idx": "val_Counting_1", "sub_task": "Counting", "prompt": "How many blue floats are there?\nSelect …", "choices": ["0", "3", "2", "1"],
 *    "answer": "(D)", "image_1": …}
 * Mantis-Eval: arXiv:2405.01483 (Apache-2.0), huggingface.co/datasets/TIGER-Lab/Mantis-Eval, test:
 *   {"id": "mantis_eval_0", "question_type": "multi-choice", "question": "<image> <image> Which …?", "options": ["(A) …"], "answer": "A",
 *    "images": […]}
 * Official scorers: lmms-eval tasks/llava_interleave_bench, tasks/blink and tasks/mantis. Mantis-Eval's options are asked line
 * by line; lmms-eval prints them as a Python list behind the instruction.
 */
import { isRow, readJson, type EvalFile, type Row } from '../eval-file.ts'
import { OPTION_LETTER, optionLines, pictureField } from '../llava-questions.ts'
import {
  leadingLetter,
  mantisAnswer,
  mantisLetter,
  standaloneLetter,
  letterAt,
} from '../metrics/choice-letter.ts'
import { inferredLetter } from '../metrics/inferred-letter.ts'
import { optionColumns } from '../metrics/option-letter.ts'
import type { Picture } from '../question.ts'
import { columnOptions, columnText } from '../row-columns.ts'
import { formOf, isSample } from '../samples.ts'
import { shortAnswerBenchmark } from '../short-answers.ts'
import { rowPictures } from '../table-rows.ts'
import { juneRow } from './published-tables.ts'

export const nlvr2 = shortAnswerBenchmark({
  name: 'nlvr2',
  tasks: ['nlvr2'],
  title: 'NLVR2 (LLaVA-Interleave-Bench)',
  rule: 'the letter before a full stop at the start, else the first letter A to E that stands alone, else the words; accuracy',
  form: {
    id: ({ sample_id, identifier }, i) => String(sample_id ?? identifier ?? i),
    adapt: (row) => statementRow(interleaveRow(row)),
    keep: ({ sub_task: task }) => task === undefined || String(task).startsWith('NLVR2'),
  },
  judge: (answer, [target = ''], { options }) => {
    const said = standaloneLetter(answer)
    const word = said.replace(/\.$/, '')
    const read = options === TRUTHS && word in LETTER_OF ? (LETTER_OF[word] ?? '') : said
    return { score: read === standaloneLetter(target) ? 1 : 0, read }
  },
  ask: {
    prompt: (row) => columnText(row, 'question'),
    about: 'the released question with its pictures in place',
    maxTokens: 64,
    file: 'in_domain',
    images: (row) => numbered(row),
    folder: '.',
    isInterleaved: true,
  },
  published: juneRow('overall', [67.8, 88.8, 91.1]),
})

export const blink = shortAnswerBenchmark({
  name: 'blink',
  tasks: ['blink', 'blink_*'],
  title: 'BLINK (val)',
  rule: 'the letter at the start, brackets passed over (tables of VLMEvalKit: the letter or option that it infers); accuracy',
  form: { id: ({ idx }, i) => String(idx ?? i), split: 'validation' },
  judge: (answer, [target = ''], row, { given }) => {
    const options = formOf(given) === 'vlmevalkit' ? optionColumns(row) : null
    const read = options ? (inferredLetter(answer, options) ?? '') : leadingLetter(answer)
    return { score: read === target.replaceAll(/[()]/g, '') ? 1 : 0, read }
  },
  part: ({ sub_task: task, category, idx, id }, name) => {
    const own = task ?? category ?? /^[a-z]+_(.+)_\d+$/.exec(String(idx ?? id))?.[1]
    const part = own ?? /^(.+)\/\d+$/.exec(name)?.[1]
    return typeof part === 'string' ? part : null
  },
  partCount: 14,
  hasMeanOfParts: true,
  unpack: unpackBlink,
  ask: {
    prompt: (row) => {
      const choices = columnOptions(row, 'choices')
      const letters = choices.map((_, i) => letterAt(i))
      const lines = choices.map((choice, i) => `(${letterAt(i)}) ${choice}`)
      const text = columnText(row, 'prompt', 'question')
      // VLMEvalKit's table has the options in columns.
      const own =
        row.row['prompt'] === undefined && !text.includes('(A)')
          ? [text, 'Select from the following choices.', ...lines].join('\n')
          : text
      return `Note: You only need to respond with ${letters.join(', ')} without providing any additional information.\n${own}`
    },
    about: "lmms-eval's note, and the released prompt, after the pictures",
    maxTokens: 64,
    file: 'val',
    images: picturesOf,
  },
  published: juneRow('overall', [39.2, 52.6, 52.1]),
})

export const mantisEval = shortAnswerBenchmark({
  name: 'mantis-eval',
  tasks: ['mantis'],
  title: 'Mantis-Eval',
  rule: 'behind "answer:" or "the answer is" if there is one: the first letter, or the whole option; short answers equal but for case; accuracy',
  form: { split: 'test' },
  judge: (answer, [target = ''], row, { given }) =>
    heldScore(answer, row, given) ?? judgeMantis(answer, target, row),
  ask: {
    prompt: (one) => {
      const question = columnText(one, 'question')
      if (one.row['question_type'] !== 'short-answer')
        return [question, ...columnOptions(one, 'options'), OPTION_LETTER].join('\n')
      return `Given the images, answer the following short answer vqa question:\nQ: ${question}\nYou can first give your analysis, and then give your final answer as "Final Answer:"`
    },
    about:
      'question with its pictures in place, options line by line and the option-letter instruction',
    maxTokens: 64,
    file: 'mantis_eval',
    images: ({ images }) => (Array.isArray(images) ? images.flatMap(pictureField) : []),
    isInterleaved: true,
  },
  published: juneRow('overall', [45.6, 62.7, 66.4]),
})

/** Of the JSON of the same benchmark. */
function interleaveRow(row: Row): Row {
  const { conversations, image, metadata } = row
  if (!Array.isArray(conversations) || !isRow(metadata)) return row
  const [question, answer] = conversations.map((turn: unknown) =>
    isRow(turn) ? turn['value'] : null,
  )
  const names: unknown[] = Array.isArray(image) ? image : [image]
  return {
    ...row,
    sub_task: metadata['dataset'],
    question_type: metadata['question_type'],
    question,
    answer,
    ...Object.fromEntries(names.map((name, i) => [`image_${i}`, name])),
  }
}

/** The options of a statement, which is true or not. */
const TRUTHS = ['True', 'False']
const LETTER_OF: Readonly<Record<string, string>> = { true: 'A', false: 'B' }

/**
 * Rows of lmms-lab/NLVR2, {"question": "The left image …", "answer": "True", "left_image": …, "right_image": …}, and of the dataset's own
 * test1.json, lines of {"sentence": …, "label": "True", "identifier": "test1-0-1-0"}, whose pictures are test1-0-1-img0.png and …-img1.png.
 * They are asked in the words of Mantis-Instruct, from which the posts' questions come.
 */
function statementRow(row: Row): Row {
  const { sentence, identifier, left_image: left, right_image: right } = row
  const isOwn = typeof sentence === 'string' && typeof identifier === 'string'
  if (!isOwn && left === undefined) return row
  const statement = sentence ?? row['question']
  if (typeof statement !== 'string' || statement === '') return row
  const stem = String(identifier).replace(/-\d+$/, '')
  const question = `<image> <image> Here is a statement describing these 2 images: ${statement} Is it true or false?\n${optionLines(TRUTHS).join('\n')}\n${OPTION_LETTER}`
  const truth = String(row['answer'] ?? row['label']).toLowerCase()
  return {
    ...row,
    question,
    options: TRUTHS,
    ...(truth in LETTER_OF ? { answer: LETTER_OF[truth] } : {}),
    image_0: isOwn ? `${stem}-img0.png` : left,
    image_1: isOwn ? `${stem}-img1.png` : right,
  }
}

/**
 * What the official repository writes: {"val": [{"idx": "val_Counting_1", "prediction": "(D)", "answer": "(D)"}]} for each task, then
 * {"val_Counting_1": "(D)"} for all of them; val_answers.json has the truth so. Its scorer wants exactly such a letter.
 */
function unpackBlink(file: EvalFile, kind: 'answers' | 'labels'): readonly Row[] | null {
  if (!/^\s*\{\s*"(?:val|test)/.test(file.text)) return null
  const whole = readJson(file)
  if (!isRow(whole)) return null
  const list: unknown = whole['val'] ?? whole['test']
  const letterOf = (text: unknown) => (/^\([A-Z]\)$/.test(String(text)) ? String(text) : '')
  if (Array.isArray(list)) {
    return list.filter(isRow).map((row) => ({ ...row, prediction: letterOf(row['prediction']) }))
  }
  return Object.entries(whole).map(([idx, letter]) =>
    kind === 'labels' ? { idx, answer: letter } : { idx, prediction: letterOf(letter) },
  )
}

/** lmms-eval's newer samples hold no options, by which letters are read, and whether the task found the answer right. */
function heldScore(answer: string, row: Row, given: Row) {
  const { correct, pred_answer: read } = given
  if (row['options'] !== undefined || !isSample(given) || typeof correct !== 'boolean') return null
  return { score: correct ? 1 : 0, read: typeof read === 'string' ? read : answer }
}

function judgeMantis(answer: string, target: string, row: Row): { score: number; read: string } {
  const truth = target.replaceAll(/^[()\s]+|[()\s]+$/g, '')
  const type = row['question_type'] ?? (/^[A-Z]$/.test(truth) ? 'multi-choice' : 'short-answer')
  if (type === 'short-answer') {
    const read = mantisAnswer(answer)
    return { score: read.toLowerCase() === truth.toLowerCase() ? 1 : 0, read }
  }
  const wanted = (/\p{L}/u.exec(truth)?.[0] ?? '').toUpperCase()
  const options = Array.isArray(row['options']) ? row['options'].map(String) : null
  const letter = mantisLetter(answer, options?.length ?? 26)
  if (letter !== null) return { score: letter === wanted ? 1 : 0, read: letter }
  const option = options?.[wanted.charCodeAt(0) - 65]?.replace(/^(?:\([A-Z]\)|[A-Z][.:])/, '') ?? ''
  return { score: option !== '' && answer.trim() === option.trim() ? 1 : 0, read: answer }
}

/** VLMEvalKit's table has all pictures in one column. */
function picturesOf(row: Row): readonly Picture[] {
  const pictures = numbered(row)
  return pictures.length > 0 ? pictures : rowPictures(row)
}

/** The columns image_0, image_1 … in the order of their numbers; empty ones hold no picture. */
function numbered(row: Row): Picture[] {
  const columns = Object.keys(row).filter((name) => /^image_\d+$/.test(name))
  const byNumber = columns.sort((a, b) => Number(a.slice(6)) - Number(b.slice(6)))
  return byNumber.flatMap((name) => pictureField(row[name]))
}
