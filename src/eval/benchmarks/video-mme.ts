/**
 * Video-MME: multiple choice about clips of eleven seconds to an hour.
 *
 * Paper: arXiv:2405.21075. Data: huggingface.co/datasets/lmms-lab/Video-MME (academic use), test, 2,700 questions:
 *   {"video_id": "001", "duration": "short", "domain": "Knowledge", "videoID": "fFjv93ACGo8", "question_id": "001-1",
 *    "question": "When demonstrating …, which ornament …?", "options": ["A. Apples.", …], "answer": "C"}
 * Official scorer: BradyFU/Video-MME evaluation/eval_your_results.py. Without subtitles.
 */
import { publishedRows } from '../benchmark.ts'
import { isRow, readRows, type EvalFile, type Row } from '../eval-file.ts'
import { OPTION_LETTER, optionLines } from '../llava-questions.ts'
import { firstCapital } from '../metrics/choice-letter.ts'
import { mentionedLetter } from '../metrics/inferred-letter.ts'
import { columnOptions, columnText } from '../row-columns.ts'
import { formOf } from '../samples.ts'
import { shortAnswerBenchmark } from '../short-answers.ts'
import type { TableRow } from '../table-rows.ts'
import { oneVisionRow } from './published-tables.ts'

export const videoMme = shortAnswerBenchmark({
  name: 'video-mme',
  tasks: ['videomme', 'videomme_long', 'Video-MME', 'Video-MME_#frame', 'Video-MME_#fps'],
  otherSets: [
    {
      title: 'Video-MME (with subtitles)',
      tasks: [
        'videomme_w_subtitle',
        'videomme_long_w_subtitle',
        'Video-MME_#frame_subs',
        'Video-MME_#fps_subs',
      ],
      rows: { overall: 'overall with subtitles' },
    },
    {
      title: 'Video-MME (with subtitles among the frames)',
      tasks: ['videomme_*_interleaved_subtitle'],
    },
  ],
  title: 'Video-MME (without subtitles)',
  rule: 'without phrases like "The answer is", the first capital A to D (samples of lmms-eval: what it read); accuracy',
  form: { split: 'test' },
  judge: (answer, [target = ''], _, { given }) => {
    const read = readLetter(answer, given)
    return { score: read !== '' && read === target ? 1 : 0, read }
  },
  unpack: unpackVideos,
  // lmms-eval's newer samples call a domain `category`, and a type of task `task_category`.
  part: ({ duration, domain, category, task_type: task, task_category: other }) =>
    [duration, domain ?? category, task ?? other].filter((name) => typeof name === 'string'),
  // By length: short, medium, long.
  partCount: 3,
  ask: {
    prompt: (row) =>
      [
        'Select the best answer to the following multiple-choice question based on the video and the subtitles. Respond with only the letter (A, B, C, or D) of the correct option.',
        columnText(row, 'question'),
        ...videoOptions(row),
        '',
        OPTION_LETTER,
      ].join('\n'),
    about:
      "lmms-eval's instruction, question, options and the option-letter instruction, after the clip",
    maxTokens: 16,
    file: 'videomme',
    images: () => [],
    video: (row) => `${columnText(row, 'videoID')}.mp4`,
    folder: 'data',
  },
  published: [
    ...oneVisionRow('overall', [41.7, 44.0, 55.0, 58.2, 64.8, 66.2], 'without subtitles'),
    ...publishedRows('overall', 'LLaVA-NeXT docs (0716)', { 'llava-next-video-32b-qwen': 60.2 }),
    ...oneVisionRow('overall with subtitles', [40.4, 43.5, 59.1, 61.5, 66.9, 69.5]),
    ...publishedRows('overall with subtitles', 'LLaVA-NeXT docs (0716)', {
      'llava-next-video-32b-qwen': 63.0,
    }),
  ],
})

/** The dataset's options begin with their letters, and columns by letter do not. */
function videoOptions(row: TableRow): string[] {
  const options = columnOptions(row, 'options')
  return options.every((text) => /^[A-Z]\. /.test(text)) ? options : optionLines(options)
}

/** lmms-eval's samples say what was read, which its versions do in different ways. */
function readLetter(answer: string, given: Row): string {
  const form = formOf(given)
  if (form !== 'lmms-eval') return firstCapital(answer, form)
  const { pred_answer: known } = given
  return typeof known === 'string' ? known : mentionedLetter(answer, ['A', 'B', 'C', 'D'])
}

/** The official script's list of clips: {"video_id": "001", "duration": "short", "questions": [{"question_id": "001-1", "response": "C.", …}]}. */
function unpackVideos(file: EvalFile): readonly Row[] | null {
  if (!/^\s*\[/.test(file.text) || !file.text.includes('"questions"')) return null
  return readRows(file).flatMap(({ questions, ...clip }) =>
    (Array.isArray(questions) ? questions : []).filter(isRow).map((row) => ({ ...clip, ...row })),
  )
}
