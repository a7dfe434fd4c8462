/**
 * Clips answered freely and judged: ActivityNet-QA, Video Detailed Description.
 *
 * ActivityNet-QA: arXiv:1906.02467 (Apache-2.0), huggingface.co/datasets/lmms-lab/ActivityNetQA, test:
 *   {"video_name": "1QIUV7WYKXg", "question_id": "v_1QIUV7WYKXg_3", "question": "is the athlete wearing trousers", "answer": "yes", "type": "3"}
 * Video Detailed Description: LLaVA-NeXT blog 2024-04-30, huggingface.co/datasets/lmms-lab/VideoDetailCaption, 499 clips of
 *   ActivityNet: {"video_name": "v_p1QGn0IzfW0", "question": "…", "answer": "…"}
 * Official scorers: lmms-eval tasks/activitynetqa, tasks/video_detail_description.
 */
import { publishedRows, type Benchmark } from '../benchmark.ts'
import { dictJudge, REVIEW_FILES, scoreReviews } from '../judged-answers.ts'
import { ACTIVITYNET_QA, VIDEO_DETAIL } from '../judge-prompts.ts'
import { SHORT_ANSWER } from '../llava-questions.ts'
import { pythonCapitalise } from '../python-text.ts'
import { columnText } from '../row-columns.ts'
import { askTable, type TableForm } from '../table-rows.ts'

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
