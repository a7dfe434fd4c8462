/**
 * Tables of the hub of LLaVA-1.5's other benchmarks, as the files that their authors and LLaVA released.
 *
 * huggingface.co/datasets/lmms-lab/GQA, two tables: testdev_balanced_instructions, {"id": "201307251", "imageId": "n161313", "question":
 *   "Is it overcast?", "answer": "no", "types": {"structural": "verify", "semantic": "global", …}}, and …_images, {"id": "n161313", "image": …}.
 * lmms-lab/VQAv2: {"question_id": 262148000, "image_id": 262148, "image": …, "question": "Where is he looking?", "answers": [{"answer": "down"},
 *   …]}; only validation has answers. lmms-lab/VizWiz-VQA: {"question_id": "VizWiz_val_00000000", "image": …, "question": "Ok. There is …",
 *   "answers": ["solar", …]}; only val has answers.
 * lmms-lab/textvqa: {"image_id": "003a8ae2ef43b901", "question_id": 34602, "image": …, "question": "what is the brand of this camera?",
 *   "answers": [… ten], "ocr_tokens": ["DAKOTA", …]}.
 * lmms-lab/ScienceQA (FULL, IMG) and derek-thomas/ScienceQA: {"image": … or null, "question": "…", "choices": […], "answer": 1, "hint": "",
 *   "subject": "social science", "grade": "grade2", …}; a row has no id and is named by its place.
 * lmms-lab/MMVet: {"question_id": "v1_0", "image": …, "question": "…", "answer": "-1<AND>-5", "capability": "ocr,math"}.
 * The prompts are those of LLaVA's question files.
 */
import { InputError } from '../../core/errors.ts'
import { isRow, readRows, type EvalFile, type Row } from '../eval-file.ts'
import { optionLines, pictureField, SHORT_ANSWER } from '../llava-questions.ts'
import { letterAt } from '../metrics/choice-letter.ts'
import { pythonCapitalise } from '../python-text.ts'
import type { Named, Picture, ReleasedFiles } from '../question.ts'
import { ofSplit, type Split } from '../table-rows.ts'
import { columnOptions, columnText, type NamedRow } from '../row-columns.ts'
import { hubRows, rowsFile } from './hub-tables.ts'
import { mmVetRow, scienceRow, textvqaRow } from './vlmevalkit-rows.ts'

/** Of a download the two tables of testdev's balanced questions; the others are millions of questions without truth. */
export function pickGqa<File extends Named>(files: readonly File[]): readonly File[] {
  const own = files.filter(({ name }) => /(?:^|\/)testdev_balanced_\w+\//.test(name))
  return own.length > 0 ? own : files
}

/** Pictures that came as no table are looked for by their names. */
export function releasedGqa(files: readonly EvalFile[]): ReleasedFiles {
  const isPictures = ({ rows: [first = {}] = [] }: EvalFile) =>
    first['question'] === undefined && first['imageId'] === undefined
  const pictures = new Map(
    files.filter(isPictures).flatMap((file) => readRows(file).map(pictureOfId)),
  )
  const rows = hubRows(
    files.filter((file) => !isPictures(file)),
    ['id', 'imageId', 'question', 'answer'],
  ).map(({ row }) => row)
  return {
    questions: [
      rowsFile(
        'llava_gqa_testdev_balanced.jsonl',
        rows.map(({ id, imageId, question }) => ({
          question_id: id,
          image: pictures.get(String(imageId)) ?? `${String(imageId)}.jpg`,
          text: `${String(question)}\n${SHORT_ANSWER}`,
        })),
        files,
      ),
    ],
    labels: [
      {
        name: 'testdev_balanced_questions.json',
        text: JSON.stringify(Object.fromEntries(rows.map((row) => [row['id'], row]))),
      },
    ],
  }
}

/** Thirty questions share a picture and do not come one after the other: what was read stays. */
function pictureOfId({ id, image }: Row): [string, Picture | undefined] {
  const [picture] = pictureField(image)
  if (typeof picture !== 'function') return [String(id), picture]
  let read: ReturnType<typeof picture> | undefined
  return [String(id), () => (read ??= picture())]
}

/** The split whose truth is public, if it is among the files, else the one that the server scores. */
export function pickAnswered<File extends Named>(files: readonly File[]): readonly File[] {
  const splits: readonly Split[] = ['validation', 'testdev', 'test']
  const [first] = splits
    .map((split) => ofSplit(files, split))
    .filter(({ length }) => length < files.length)
  return first ?? files
}

export function releasedVqav2(files: readonly EvalFile[]): ReleasedFiles {
  const rows = hubRows(files, ['question_id', 'question']).map(({ row }) => row)
  const questions = rows.map(({ question_id: id, image, question }) => {
    return { question_id: id, image, text: `${String(question)}\n${SHORT_ANSWER}` }
  })
  return {
    questions: [rowsFile('llava_vqav2_mscoco_test-dev2015.jsonl', questions, files)],
    labels: answersFile(
      'v2_mscoco_val2014_annotations.json',
      { rows, columns: ['question_id', 'answers'] },
      files,
    ),
  }
}

const UNANSWERABLE = "When the provided information is insufficient, respond with 'Unanswerable'."

export function releasedVizwiz(files: readonly EvalFile[]): ReleasedFiles {
  const rows = hubRows(files, ['question_id', 'question']).map(({ row }) => row)
  const questions = rows.map(({ question_id: id, image, question }) => {
    const text = [pythonCapitalise(String(question)), UNANSWERABLE, SHORT_ANSWER].join('\n')
    return { question_id: id, image, text }
  })
  return {
    questions: [rowsFile('llava_test.jsonl', questions, files)],
    labels: answersFile('val.json', { rows, columns: ['question_id', 'answers'] }, files),
  }
}

/** Throws InputError where tokens are asked for and the table is one without them, as facebook/textvqa is. */
export function releasedTextvqa(files: readonly EvalFile[], hasTokens: boolean): ReleasedFiles {
  const rows = hubRows(files, ['image_id', 'question'], textvqaRow).map(({ row }) => row)
  if (hasTokens && rows.some((row) => !Array.isArray(row['ocr_tokens']))) throw noTokens()
  const questions = rows.map(({ image_id: id, image, question, ocr_tokens: tokens }) => {
    const words = Array.isArray(tokens) ? tokens.join(', ') : ''
    const lines = [
      pythonCapitalise(String(question)),
      `Reference OCR token: ${words}`,
      SHORT_ANSWER,
    ]
    return { question_id: id, image, text: lines.join('\n') }
  })
  return {
    questions: [rowsFile('llava_textvqa_val_v051_ocr.jsonl', questions, files)],
    labels: answersFile(
      'TextVQA_0.5.1_val.json',
      { rows, columns: ['image_id', 'question', 'answers'] },
      files,
    ),
  }
}

function noTokens(): InputError {
  return new InputError(
    'INPUT_QUESTIONS_FOREIGN',
    'eval.textvqa: every row of the table should have ocr_tokens, one has none; take lmms-lab/textvqa, or ask textvqa-no-ocr.',
  )
}

/** Splits whose truth is kept back have no answers, or empty ones. */
function isAnswered({ answers }: Row): boolean {
  const texts = Array.isArray(answers) ? answers : []
  return texts.some((one: unknown) => (isRow(one) ? one['answer'] : one) !== '')
}

/** These columns of the rows that have answers; no file where none has. */
function answersFile(
  name: string,
  { rows, columns }: { readonly rows: readonly Row[]; readonly columns: readonly string[] },
  files: readonly EvalFile[],
): EvalFile[] {
  const answered = rows
    .filter(isAnswered)
    .map((row) => Object.fromEntries(columns.map((column) => [column, row[column]])))
  return answered.length > 0 ? [rowsFile(name, answered, files)] : []
}

export function releasedScienceQa(files: readonly EvalFile[]): ReleasedFiles {
  const rows = hubRows(files, ['question', 'answer'], scienceRow)
  const conversations = rows.map((one, i): Row => {
    const { image, answer, subject, grade, hint, index } = one.row
    const choices = columnOptions(one, 'choices')
    const hasPicture = pictureField(image).length > 0
    const value = scienceQuestion(one, choices)
    return {
      id: String(index ?? i),
      ...(hasPicture ? { image } : {}),
      conversations: [
        { from: 'human', value: hasPicture ? `<image>\n${value}` : value },
        { from: 'gpt', value: letterAt(Number(answer)) },
      ],
      subject,
      grade,
      hint,
      choices,
    }
  })
  return { questions: [rowsFile('llava_test_CQM-A.json', conversations, files)], labels: [] }
}

/** Two spaces become one, as in LLaVA's scripts/convert_sqa_to_llava_base_prompt.py. */
function scienceQuestion(one: NamedRow, options: readonly string[]): string {
  const { hint } = one.row
  const context = typeof hint === 'string' && hint.trim() !== '' ? [`Context: ${hint.trim()}`] : []
  const text = [...context, columnText(one, 'question'), ...optionLines(options)].join('\n')
  return text.replaceAll('  ', ' ').trim()
}

export function releasedMmVet(files: readonly EvalFile[]): ReleasedFiles {
  const rows = hubRows(files, ['question_id', 'question', 'answer'], mmVetRow).map(({ row }) => row)
  const numberOf = (id: unknown) => String(id).replace(/^v1_/, '')
  const truths = rows.map(({ question_id: id, question, answer, capability }) => {
    const names = Array.isArray(capability) ? capability : String(capability).split(',')
    const truth = { question, answer, capability: names.map((name) => String(name).trim()) }
    return [`v1_${numberOf(id)}`, truth] as const
  })
  return {
    questions: [
      rowsFile(
        'llava-mm-vet.jsonl',
        rows.map(({ question_id: id, image, question }) => {
          return { question_id: Number(numberOf(id)), image, text: question }
        }),
        files,
      ),
    ],
    labels: [{ name: 'mm-vet.json', text: JSON.stringify(Object.fromEntries(truths)) }],
  }
}
