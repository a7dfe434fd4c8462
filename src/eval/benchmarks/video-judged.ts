/**
 * Clips answered freely and judged: ActivityNet-QA, Video Detailed Description, LLaVA-Hound's question sets.
 *
 * ActivityNet-QA: arXiv:1906.02467 (Apache-2.0), huggingface.co/datasets/lmms-lab/ActivityNetQA, test:
 *   {"video_name": "1QIUV7WYKXg", "question_id": "v_1QIUV7WYKXg_3", "question": "is the athlete wearing trousers", "answer": "yes", "type": "3"}
 * Video Detailed Description: LLaVA-NeXT blog 2024-04-30, huggingface.co/datasets/lmms-lab/VideoDetailCaption, 499 clips of
 *   ActivityNet: {"video_name": "v_p1QGn0IzfW0", "question": "…", "answer": "…"}
 * LLaVA-Hound: arXiv:2404.01258 (Apache-2.0), github.com/RifleZhang/LLaVA-Hound-DPO test data: {"id": …, "video": …, "question": …,
 *   "answer": …, "caption": …}; the judge sees the caption and gives 1 to 5, right from 3 on.
 * Official scorers: lmms-eval tasks/activitynetqa, tasks/video_detail_description; llava_hound_dpo/test of the repository.
 * Scores hang on the judge's version: 62.65 with one gpt-3.5-turbo is 74.83 with another.
 */
import { publishedRows, type Benchmark } from '../benchmark.ts'
import { readRows, textField, type EvalFile, type Row } from '../eval-file.ts'
import { dictJudge, fill, REVIEW_FILES, scoreReviews } from '../judged-answers.ts'
import { ACTIVITYNET_QA, HOUND_JUDGE, VIDEO_DETAIL } from '../judge-prompts.ts'
import type { JudgeInput, JudgeTask } from '../judge-spec.ts'
import { SHORT_ANSWER } from '../llava-questions.ts'
import { pythonCapitalise } from '../python-text.ts'
import { columnText } from '../row-columns.ts'
import { allTableRows, askTable, type TableForm } from '../table-rows.ts'

const BLOG = 'LLaVA-NeXT blog 2024-04-30 (judge gpt-3.5-turbo-0613)'

export const activityNetQa: Benchmark = {
  name: 'activitynet-qa',
  title: 'ActivityNet-QA (test)',
  files: REVIEW_FILES,
  needs: [],
  rule: "the judge's yes as right, its whole numbers 0 to 5 averaged; no verdict is no and 0",
  score: (input) => scoreReviews(input, { right: 'yes', scoreName: 'score' }),
  ask: askTable({
    prompt: (row) => `${pythonCapitalise(columnText(row, 'question'))}? ${SHORT_ANSWER}`,
    about:
      'the question with a capital and a question mark, and the short-answer instruction, after the clip',
    maxTokens: 64,
    file: 'test',
    images: () => [],
    video: (row) => `v_${columnText(row, 'video_name')}.mp4`,
    folder: 'all_test',
  }),
  judge: dictJudge({ prompt: ACTIVITYNET_QA, hasPred: true }),
  published: [
    ...publishedRows('accuracy', BLOG, {
      'llava-next-video-7b': 53.5,
      'llava-next-video-7b-dpo': 60.2,
      'llava-next-video-34b': 58.8,
      'llava-next-video-34b-dpo': 64.42,
    }),
    ...publishedRows('score', BLOG, {
      'llava-next-video-7b': 3.2,
      'llava-next-video-7b-dpo': 3.5,
      'llava-next-video-34b': 3.4,
      'llava-next-video-34b-dpo': 3.6,
    }),
    ...publishedRows('accuracy', 'arXiv:2408.03326', {
      'llava-onevision-qwen2-0.5b': 50.5,
      'llava-onevision-qwen2-7b': 56.6,
      'llava-onevision-qwen2-72b': 62.3,
    }),
  ],
}

const byVideo: TableForm = { id: ({ video_name: name }, i) => String(name ?? i) }

export const videoDetail: Benchmark = {
  name: 'video-detail',
  title: 'Video Detailed Description',
  files: REVIEW_FILES,
  needs: [],
  rule: "the judge's whole numbers 0 to 5 averaged; no verdict is 0",
  score: (input) => scoreReviews(input, { scoreName: 'score' }),
  ask: askTable(
    {
      prompt: () =>
        'Please provide a detailed description of the video, focusing on the main subjects, their actions, and the background scenes.',
      about: 'the request for a detailed description, after the clip',
      maxTokens: 1024,
      file: 'test',
      images: () => [],
      video: (row) => `${columnText(row, 'video_name')}.mp4`,
      folder: 'Test_Videos',
    },
    byVideo,
  ),
  judge: dictJudge({ prompt: VIDEO_DETAIL, hasPred: false, form: byVideo }),
  published: [
    ...publishedRows('score', BLOG, {
      'llava-next-video-7b': 3.32,
      'llava-next-video-7b-dpo': 3.72,
      'llava-next-video-34b': 3.48,
      'llava-next-video-34b-dpo': 3.84,
      'gpt-4v': 4.0,
    }),
    ...publishedRows('score', 'arXiv:2408.03326', {
      'llava-onevision-qwen2-0.5b': 3.55,
      'llava-onevision-qwen2-7b': 3.75,
      'llava-onevision-qwen2-72b': 3.6,
    }),
  ],
}

const HOUND = 'LLaVA-Hound-DPO test/README (MSVD, MSRVTT and TGIF, judge gpt-3.5-turbo-0613)'

export const houndQa: Benchmark = {
  name: 'hound-qa',
  title: 'LLaVA-Hound QA',
  files: REVIEW_FILES,
  needs: [],
  rule: "the judge's 1 to 5 as right from 3 on, and averaged; no verdict is 0",
  score: ({ answers, ...input }) =>
    scoreReviews({ ...input, answers: answers.map(withScores) }, { right: 3, scoreName: 'score' }),
  ask: askTable({
    prompt: (row) => columnText(row, 'question'),
    about: 'the question, after the clip',
    maxTokens: 1024,
    file: 'test.jsonl',
    images: () => [],
    video: (row) => columnText(row, 'video'),
    folder: 'videos',
  }),
  judge: {
    model: 'gpt-3.5-turbo-0613',
    temperature: 0,
    maxTokens: 512,
    tasks: houndTasks,
    read: readHoundScore,
  },
  published: publishedRows('accuracy', HOUND, {
    'llava-hound-sft': 62.65,
    'llava-hound-dpo': 70.75,
    'video-llava-7b': 59.7,
  }),
}

/** `Score: 4` on a line of its own, 1 to 5. */
export function readHoundScore(reply: string): Row | null {
  const score = /^\W*Score:\W*([1-5])(?!\d)/im.exec(reply)?.[1]
  return score === undefined ? null : { score: Number(score) }
}

/** The official script keeps replies and reads them last: {"id": "8467_2_0", "response": "Explanation: …\nScore: 4"}. */
function withScores(file: EvalFile): EvalFile {
  const rows = readRows(file).map((row): Row => {
    const { response, score } = row
    if (typeof response !== 'string' || score !== undefined) return row
    return {
      ...row,
      ...(readHoundScore(response) ?? { score: 0, unread: true }),
      content: response,
    }
  })
  return { ...file, rows }
}

function houndTasks({ answers, questions, labels }: JudgeInput): JudgeTask[] {
  const given = new Map(answers.map((answer) => [answer.id, answer.text]))
  const rows = allTableRows(labels.length > 0 ? labels : questions)
  return rows.flatMap(({ id, row, file }) => {
    const prediction = given.get(id)
    if (prediction === undefined) return []
    const content = fill(HOUND_JUDGE, {
      caption: textField(row, 'caption', file),
      question: textField(row, 'question', file),
      answer: textField(row, 'answer', file),
      prediction,
    })
    return [
      {
        id,
        answer: prediction,
        messages: [{ role: 'user' as const, content }],
        fields: { question_id: id },
        unread: { score: 0, unread: true },
      },
    ]
  })
}
