/**
 * CHAIR: objects that a long answer names though the picture has none of them.
 *
 * Paper: arXiv:1809.02156. Data: COCO instances_*.json (CC BY 4.0) says which objects are in a picture, synonyms.txt of the
 * official scorer which words mean which object: a line for each, the object first: `person, girl, boy, man, woman, …`.
 * Questions name the pictures: {"question_id": 0, "image": "COCO_val2014_000000310196.jpg", "text": "Please describe this image in detail."}
 * Official scorer: LisaAnne/Hallucination utils/chair.py at 6e4d33c. As it does, we look for words and pairs of words, without
 * number, and count what is said twice twice; objects come from the boxes and, where captions_*.json lies beside them, from
 * captions. Its words are ours with their quirks: a bus in the singular is none, nor is a tie in the plural. Texts are cut into
 * sentences after `.`, `!` and `?`, and not by NLTK's punkt, which knows abbreviations.
 *
 *   CHAIR_i = objects named and absent / objects named      CHAIR_s = answers with one / answers      lower is better
 */
import { InputError } from '../../core/errors.ts'
import { answersById, countAnswers, onlyAsked, readAnswers } from '../answers.ts'
import {
  ratioPercent,
  type Benchmark,
  type Metric,
  type Scored,
  type ScoreInput,
} from '../benchmark.ts'
import { isRow, readJson, readRows, textField, unreadable, type EvalFile } from '../eval-file.ts'
import { LLAVA_PROMPT, llavaQuestions } from '../llava-questions.ts'
import { oneFile } from '../one-file.ts'
import { textWords } from '../metrics/treebank-words.ts'

export const chair: Benchmark = {
  name: 'chair',
  title: 'CHAIR (objects named but absent)',
  files: {
    answers: 'answers',
    questions: 'the question file, which names the pictures',
    labels: 'a folder with instances_*.json, synonyms.txt and, if wanted, captions_*.json',
  },
  needs: ['questions', 'labels'],
  rule: 'words and pairs of words, singular, that mean a COCO object; those without a box in the picture over all, and answers with one over all',
  score: scoreChair,
  ask: {
    questions: llavaQuestions(512),
    prompt: LLAVA_PROMPT,
    folder: { questions: 'questions.jsonl', labels: 'annotations', images: 'val2014' },
  },
  published: [],
}

type Read = {
  readonly id: string
  readonly text: string
  readonly isThere: boolean
  readonly named: readonly string[]
  readonly absent: readonly string[]
  /** Objects of the picture that the answer names, and all of them. */
  readonly found: number
  readonly present: number
}

function scoreChair({ answers: files, questions, labels, asked: limit }: ScoreInput): Scored {
  const answers = answersById(readAnswers(files))
  const meaning = readSynonyms(labels)
  const present = readObjects(labels, meaning)
  const all = questions.flatMap((file) =>
    readRows(file).map((row) => ({
      id: textField(row, 'question_id', file),
      image: textField(row, 'image', file),
    })),
  )
  const asked = onlyAsked(all, limit, ({ id }) => id)
  checkPictures(asked, present)
  const read = asked.map(({ id, image }): Read => {
    const text = answers.get(id)?.text
    const named = objectsNamed(text ?? '', meaning)
    const there = present.get(pictureNumber(image)) ?? new Set<string>()
    const found = new Set(named.filter((object) => there.has(object))).size
    const absent = named.filter((object) => !there.has(object))
    const isThere = text !== undefined
    return { id, text: text ?? '', isThere, named, absent, found, present: there.size }
  })
  return {
    counts: countAnswers(
      asked.map(({ id }) => id),
      answers,
    ),
    outcomes: read.map(({ id, text, absent, isThere }) => ({
      id,
      given: text,
      read: absent.join(', '),
      expected: '',
      score: isThere && absent.length === 0 ? 1 : 0,
    })),
    metrics: metricsOf(read),
  }
}

/** Of annotations of another split every object named would be absent. Some pictures may have no boxes. */
function checkPictures(
  asked: readonly { readonly image: string }[],
  present: ReadonlyMap<number, unknown>,
): void {
  const [first] = asked
  if (!first || asked.some(({ image }) => present.has(pictureNumber(image)))) return
  throw new InputError(
    'INPUT_LABELS_FOREIGN',
    `eval.chair: the labels should have the pictures of the questions, none of ${asked.length} is in instances_*.json (${first.image}); give the annotations of their split.`,
  )
}

/** Questions without an answer name nothing; they count where recall looks for objects. */
function metricsOf(read: readonly Read[]): Metric[] {
  const rows = read.map(({ named, absent, found, present, isThere }) => [
    absent.length,
    named.length,
    absent.length > 0 ? 1 : 0,
    isThere ? 1 : 0,
    found,
    present,
  ])
  const share = (name: string, top: number): Metric => ({
    name,
    statistic: { rows, of: (sums) => ratioPercent([sums[top] ?? 0, sums[top + 1] ?? 0]) },
    unit: 'percent',
    digits: 1,
  })
  const faults = [share('CHAIR_i', 0), share('CHAIR_s', 2)]
  return [...faults.map((one) => ({ ...one, isLowerBetter: true })), share('recall', 4)]
}

/** The objects that a text names, in order. */
export function objectsNamed(text: string, meaning: ReadonlyMap<string, string>): string[] {
  const words = textWords(text.toLowerCase()).map(singular)
  const terms: string[] = []
  for (let i = 0; i < words.length; i++) {
    const term = PAIRS.get(`${words[i]} ${words[i + 1] ?? ''}`)
    terms.push(term ?? (words[i] as string))
    if (term !== undefined) i++
  }
  // "The seat of the toilet" is no chair.
  const isSeat = (term: string) => term === 'seat' && terms.includes('toilet')
  return terms.flatMap((term) => {
    const object = isSeat(term) ? undefined : meaning.get(term)
    return object === undefined ? [] : [object]
  })
}

const ANIMALS = 'bird cat dog horse sheep cow elephant bear zebra giraffe animal cub'.split(' ')
/** That are read as one word, whether it means an object (traffic light) or none (train track). */
const FIXED =
  'motor bike,motor cycle,air plane,traffic light,street light,traffic signal,stop light,fire hydrant,stop sign,parking meter,' +
  'suit case,sports ball,baseball bat,baseball glove,tennis racket,wine glass,hot dog,cell phone,mobile phone,teddy bear,' +
  'hair drier,potted plant,laptop computer,home plate,train track'

/** Pairs of words in the singular that are one: a baby bird is a bird and no person. Source: utils/chair.py. */
const PAIRS: ReadonlyMap<string, string> = new Map([
  ...FIXED.split(',').map((pair): [string, string] => [pair, pair]),
  ...ANIMALS.flatMap((animal): [string, string][] => [
    [`baby ${animal}`, animal],
    [`adult ${animal}`, animal],
  ]),
  ['passenger jet', 'jet'],
  ['passenger train', 'train'],
  ['bow tie', 'tie'],
  ['toilet seat', 'toilet'],
  ['wine glas', 'wine glass'],
])

/** Endings, the first that fits: what is taken off, and what is put there. */
const ENDINGS: readonly (readonly [RegExp, string])[] = [
  [/(?<=^|n)scissors$/, 'scissors'],
  [/men$/, 'man'],
  [/people$/, 'person'],
  [/children$/, 'child'],
  [/geese$/, 'goose'],
  [/oxen$/, 'ox'],
  // Words in -ie keep their plural, and then are in no list.
  [/(?:dogg|coll|bird|cook|bean|zomb)ies$/, '$&'],
  [/(?<=[lm|])ice$/, 'ouse'],
  [/(?<=x|ch|ss|sh|bus|o)es$/, ''],
  [/(?<=[^aeiouy]|qu)ies$/, 'y'],
  [/(?<=[aeo]l|[^d]ea|ar|r)ves$/, 'f'],
  [/(?<=[nlw]i)ves$/, 'fe'],
  [/(?<=[aeo]|si|ti|hi)ves$/, 've'],
  [/(?<=[^f])ves$/, 'fe'],
  [/s$/, ''],
]

/**
 * The singular as far as it is in a list of objects: "glass" becomes "glas", "bus" "bu". Source of the rules: `singularize` of
 * the pattern package, as utils/chair.py has it; those that lead to no object are left out.
 */
export function singular(word: string): string {
  for (const [ending, put] of ENDINGS) if (ending.test(word)) return word.replace(ending, put)
  return word
}

/** Word to object. */
function readSynonyms(files: readonly EvalFile[]): Map<string, string> {
  const file = oneFile(files, { names: ['synonyms.txt'], like: /synonyms\.txt$/ })
  if (!file) throw missing('synonyms.txt')
  // Cut as the script cuts them: what has a space too many or a comma behind it is never found.
  const lines = file.text.split('\n').flatMap((line) => {
    const words = line.trim()
    return words === '' ? [] : [words.split(', ')]
  })
  return new Map(lines.flatMap((words) => words.map((word) => [word, words[0] ?? word] as const)))
}

/** Picture number to the objects that have a box in it; of a picture without boxes none. */
function readObjects(
  files: readonly EvalFile[],
  meaning: ReadonlyMap<string, string>,
): Map<number, Set<string>> {
  const found = files.filter(({ name }) => /instances_\w+\.json$/.test(name))
  if (found.length === 0) throw missing('instances_*.json')
  const present = new Map<number, Set<string>>()
  for (const file of found) {
    const whole = readJson(file)
    const annotations: unknown = isRow(whole) ? whole['annotations'] : null
    const categories: unknown = isRow(whole) ? whole['categories'] : null
    if (!Array.isArray(annotations) || !Array.isArray(categories)) {
      throw unreadable(file, 'an object with "annotations" and "categories"')
    }
    const pictures: unknown = isRow(whole) ? whole['images'] : null
    for (const one of Array.isArray(pictures) ? pictures.filter(isRow) : []) {
      const id = Number(one['id'])
      present.set(id, present.get(id) ?? new Set())
    }
    const names = new Map(categories.filter(isRow).map((row) => [row['id'], String(row['name'])]))
    for (const one of annotations.filter(isRow)) {
      const name = names.get(one['category_id']) ?? ''
      const objects = present.get(Number(one['image_id'])) ?? new Set<string>()
      present.set(Number(one['image_id']), objects.add(meaning.get(name) ?? name))
    }
  }
  for (const file of files.filter(({ name }) => /captions_\w+\.json$/.test(name))) {
    const whole = readJson(file)
    const captions: unknown = isRow(whole) ? whole['annotations'] : null
    if (!Array.isArray(captions)) throw unreadable(file, 'an object with "annotations"')
    for (const { image_id: id, caption } of captions.filter(isRow)) {
      const objects = present.get(Number(id)) ?? new Set<string>()
      for (const object of objectsNamed(String(caption), meaning)) objects.add(object)
      present.set(Number(id), objects)
    }
  }
  return present
}

/** `COCO_val2014_000000310196.jpg` is picture 310196. */
function pictureNumber(name: string): number {
  return Number(/(\d+)\.\w+$/.exec(name)?.[1] ?? Number.NaN)
}

function missing(name: string): InputError {
  return new InputError(
    'INPUT_LABELS_MISSING',
    `eval.chair: the labels should hold ${name}, they do not; give the folder with both files.`,
  )
}
