/**
 * Clips answered freely and judged: ActivityNet-QA, Video Detailed Description.
 *
 * ActivityNet-QA: arXiv:1906.02467 (Apache-2.0), huggingface.co/datasets/lmms-lab/ActivityNetQA, test:
 *   {"video_name": "1QIUV7WYKXg", "question_id": "v_1QIUV7WYKXg_3", "question": "is the athlete wearing trousers", "answer": "yes", "type": "3"}
 * Video Detailed Description: LLaVA-NeXT blog 2024-04-30, huggingface.co/datasets/lmms-lab/VideoDetailCaption, 499 clips of
 *   ActivityNet: {"video_name": "v_p1QGn0IzfW0", "question": "…", "answer": "…"}
 * Official scorers: lmms-eval tasks/activitynetqa, tasks/video_detail_description.
 */
import { type Benchmark } from '../benchmark.ts'
import { dictJudge, REVIEW_FILES, scoreReviews } from '../judged-answers.ts'
import { ACTIVITYNET_QA, VIDEO_DETAIL } from '../judge-prompts.ts'
import { SHORT_ANSWER } from '../llava-questions.ts'
import { pythonCapitalise } from '../python-text.ts'
import { columnText } from '../row-columns.ts'
import { askTable, type TableForm } from '../table-rows.ts'
import {
  aprilRow,
  juneRow,
  oneVisionRow,
  oneVisionChatRow,
  JUDGE_0613,
} from './published-tables.ts'

export const activityNetQa: Benchmark = {
  name: 'activitynet-qa',
  tasks: ['activitynetqa'],
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
    ...aprilRow(
      'accuracy',
      [
        41.6,
        53.8,
        53.5,
        53.5,
        60.2,
        55.4,
        55.6,
        58.8,
        64.42,
        35.2,
        45.3,
        48.3,
        49.1,
        47.4,
        null,
        49.8,
        52.2,
        45.3,
      ],
      JUDGE_0613,
    ),
    ...aprilRow(
      'score',
      [2.8, 3.2, 3.2, 3.2, 3.5, 3.3, 3.3, 3.4, 3.6, 2.7, 3.3, 3.3, 3.3, 3.3],
      JUDGE_0613,
    ),
    ...oneVisionRow('accuracy', [49.0, 50.5, 55.1, 56.6, 62.1, 62.3]),
    ...juneRow('accuracy', [48.0, 55.3, 56.2, 55.0]),
    ...juneRow('score', [2.84, 3.13, 3.19, 3.13]),
  ],
}

const byVideo: TableForm = { id: ({ video_name: name }, i) => String(name ?? i) }

export const videoDetail: Benchmark = {
  name: 'video-detail',
  tasks: ['video_dc499'],
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
    ...aprilRow(
      'score',
      [2.64, 2.76, 3.12, 3.32, 3.72, 3.0, 3.2, 3.48, 3.84, null, null, null, null, 2.84, 4.0],
      JUDGE_0613,
    ),
    ...oneVisionRow('score', [3.51, 3.55, 3.51, 3.75, 3.66, 3.6]),
    ...juneRow('score', [3.25, 3.57, 3.59, 3.9]),
    ...oneVisionChatRow('score', [3.87, 3.86]),
  ],
}
