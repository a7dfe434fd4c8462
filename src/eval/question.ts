/** What a benchmark asks: questions as they go to an engine, whoever answers. */
import type { EvalFile, Row } from './eval-file.ts'

export type Question = {
  /** As the answer file names it; several questions of a benchmark may share one. */
  readonly id: string | number
  /** As the scorer names it, where that differs. */
  readonly truth?: string
  /** Questions that are scored together, of one picture or one set of rotations: a limit takes all or none. */
  readonly group?: string
  /** The text that is sent, the format's instruction included. */
  readonly prompt: string
  /** What the benchmark's answer files show as the prompt, where it is not the text that is sent. */
  readonly shown?: string
  readonly images: readonly Picture[]
  /** It cannot be asked without a picture or a clip. */
  readonly isVisual?: boolean
  /** A clip's file name. */
  readonly video?: string
  /** Of which seconds it is asked, unless its file lies in a folder of clips that are cut already. */
  readonly seconds?: ClipSeconds
  /** Pictures stand where `<image>` does in the prompt; otherwise all stand before it. */
  readonly isInterleaved?: boolean
  readonly maxTokens: number
  /** The answer is the likeliest of these continuations; nothing is generated. */
  readonly choices?: readonly string[]
  /** The prompt with so many of its examples left out, for a context that is too small; null where it has no more. */
  readonly shorter?: (dropped: number) => string | null
  /** What the benchmark's answer files hold beside the answer: category, options. */
  readonly extra?: Row
}

/** A file name below the folder of pictures, the bytes of a picture file, or bytes that are read when needed. */
export type Picture = string | Uint8Array | LazyPicture

/** Bytes, or a file's name where a table was written without them; null where the row has no picture in that column. */
export type LazyPicture = () => Promise<Uint8Array | string | null>

export type AskSpec = {
  /** The questions of the released files, as they are, in their order. Throws InputError for files of another kind. */
  readonly questions: (files: readonly EvalFile[]) => Question[]
  /** Whether the benchmark itself gives this id to several questions. By default every question has its own. */
  readonly sharesId?: (id: string) => boolean
  /** Of a download's files those that are asked: other splits and languages lie beside them. By default all. */
  readonly pick?: <File extends Named>(files: readonly File[]) => readonly File[]
  /** Of the files beside the questions those that are labels, if they are there: answers of other models lie there too. By default all. */
  readonly pickLabels?: <File extends Named>(files: readonly File[]) => readonly File[]
  /** Where the tables of the hub and of VLMEvalKit are of another form than the released files: these, made from those. */
  readonly fromTables?: (tables: readonly EvalFile[]) => ReleasedFiles
  /** What else is such a table: the authors' own file, from which LLaVA made its. */
  readonly isTable?: (file: EvalFile) => boolean
  /** How the prompt is made, in one sentence: part of the recipe. */
  readonly prompt: string
  /** Names in the benchmark's folder as its authors lay it out. */
  readonly folder: {
    readonly questions: string
    /** Absent where the question file holds the truth, or only a server knows it. */
    readonly labels?: string
    readonly images?: string
    /** The questions of the submission, where they are more than those that are asked. */
    readonly submission?: string
  }
  /** Whether the question files are the labels too. */
  readonly hasTruth?: boolean
}

export type ClipSeconds = {
  readonly start: number
  readonly end: number
  /** How many pictures of a folder of frames make a second. */
  readonly fps?: number
  readonly cutIn: string
}

export type Named = { readonly name: string }

export type ReleasedFiles = {
  readonly questions: readonly EvalFile[]
  readonly labels: readonly EvalFile[]
}

/** The files of the authors' form: tables of the hub become them, truth included unless labels came. */
export function releasedFiles(
  ask: AskSpec | undefined,
  { questions, labels }: ReleasedFiles,
): ReleasedFiles {
  const { fromTables, isTable = isHubTable } = ask ?? {}
  const tables = questions.filter((file) => isHubTable(file) || isTable(file))
  if (!fromTables || tables.length === 0) return { questions, labels }
  const made = fromTables(tables)
  // A download is named for both: its tables are no labels of their own.
  const others = labels.filter((file) => tables.every(({ name }) => name !== file.name))
  return { questions: made.questions, labels: others.length > 0 ? others : made.labels }
}

/** Parquet files of the hub, and tables with a header as VLMEvalKit publishes them. */
function isHubTable({ name, rows, cells }: EvalFile): boolean {
  if (cells || /\.[tc]sv$/i.test(name)) return true
  return rows !== undefined && /\.parquet$/i.test(name)
}

/** The pictures and clips that are files of their own, each once. */
export function namedMedia(questions: readonly Question[]): string[] {
  const all = questions.flatMap(({ images, video }) => [...images, ...(video ? [video] : [])])
  return [...new Set(all.filter((name) => typeof name === 'string'))]
}

/** A question's name to the scorer. */
export function truthId(question: Question): string {
  return question.truth ?? String(question.id)
}

/** The prompt as answer files have it. */
export function shownPrompt({ shown, prompt }: Pick<Question, 'shown' | 'prompt'>): string {
  return shown ?? prompt
}

/** The question of an outcome: by the scorer's name, behind which a part of its verdict may stand, or by the key of what was answered. */
export function questionFinder(
  questions: readonly Question[],
): (outcome: { readonly id: string; readonly asked?: string }) => Question | undefined {
  const byTruth = new Map(questions.map((question) => [truthId(question), question]))
  const keys = questionKeys(questions)
  const byKey = new Map(questions.map((question, i) => [keys[i], question]))
  return ({ id, asked }) =>
    asked === undefined
      ? (byTruth.get(id) ?? byTruth.get(id.replace(/ \w+$/, '')))
      : byKey.get(asked)
}

/** What tells a question from all others of its file, repeats of the same counted: answers are resumed by it. */
export function questionKeys(
  questions: readonly Pick<Question, 'id' | 'prompt' | 'shown'>[],
): readonly string[] {
  const seen = new Map<string, number>()
  return questions.map((question) => {
    const name = JSON.stringify([String(question.id), shownPrompt(question)])
    const repeat = seen.get(name) ?? 0
    seen.set(name, repeat + 1)
    return repeat === 0 ? name : `${name}#${repeat}`
  })
}
