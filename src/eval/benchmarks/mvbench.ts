/**
 * MVBench: twenty tasks that need more than one frame, multiple choice.
 *
 * Paper: arXiv:2311.17005. Data: huggingface.co/datasets/OpenGVLab/MVBench (MIT), json/<task>.json, 200 questions each:
 *   {"video": "166583.webm", "question": "What is the action performed by the person in the video?", "candidates": ["Not sure",
 *    "Scattering something down", "Piling something up"], "answer": "Piling something up"}
 * Official scorer: OpenGVLab/Ask-Anything video_chat2/mvbench.ipynb, in the form of lmms-eval tasks/mvbench/utils.py. It
 * leaves empty answers out of the mean; here they are wrong.
 */
import { InputError } from '../../core/errors.ts'
import { isRow, readJson, unreadable, type EvalFile, type Row } from '../eval-file.ts'
import { standaloneLetter, letterAt } from '../metrics/choice-letter.ts'
import { inferredLetter } from '../metrics/inferred-letter.ts'
import { readPythonList } from '../python-dict.ts'
import { pythonStrip } from '../python-text.ts'
import { columnOptions, columnText } from '../row-columns.ts'
import { formOf } from '../samples.ts'
import type { ClipSeconds } from '../question.ts'
import { shortAnswerBenchmark } from '../short-answers.ts'
import { juneRow, oneVisionRow } from './published-tables.ts'

/** Where the clips of a task lie on the branch `video`; what lies elsewhere is found by its name. */
const FOLDERS: Readonly<Record<string, string>> = {
  object_interaction: 'star/Charades_segment',
  action_sequence: 'star/Charades_segment',
  action_prediction: 'star/Charades_segment',
  action_localization: 'sta/sta_video_segment',
  moving_count: 'clevrer/video_validation',
  fine_grained_pose: 'nturgbd_convert',
  character_order: 'perception/videos',
  object_shuffle: 'perception/videos',
  egocentric_navigation: 'vlnqa',
  moving_direction: 'clevrer/video_validation',
  episodic_reasoning: 'tvqa/video_fps3_hq_segment',
  fine_grained_action: 'Moments_in_Time_Raw/videos',
  scene_transition: 'scene_qa/video',
  state_change: 'perception/videos',
  moving_attribute: 'clevrer/video_validation',
  action_antonym: 'ssv2_video_mp4',
  unexpected_action: 'FunQA_test/test',
  counterfactual_inference: 'clevrer/video_validation',
  object_existence: 'clevrer/video_validation',
  action_count: 'perception/videos',
}

export const mvbench = shortAnswerBenchmark({
  name: 'mvbench',
  tasks: [
    'mvbench_*',
    'MVBench',
    'MVBench_#frame',
    'MVBench_#fps',
    'MVBench_MP4_#frame',
    'MVBench_MP4_#fps',
  ],
  title: 'MVBench',
  rule: 'the letter before a full stop at the start, else the first letter A to E that stands alone; accuracy',
  form: { id: (_, i, file) => `${taskOf(file)}/${i}` },
  unpack: unpackResults,
  judge: (answer, [target = ''], row, { given }) => {
    if ('gt' in row) return { score: officialScore(answer, target), read: answer }
    if (formOf(given) === 'vlmevalkit') return tableScore(answer, target, candidatesOf(row))
    const place = candidatesOf(row).indexOf(target)
    const read = standaloneLetter(answer)
    // lmms-eval's newer samples have the letter in place of the candidates.
    const { gt_answer: known } = row
    const letter = place >= 0 ? letterAt(place) : typeof known === 'string' ? known : target
    return { score: read === letter ? 1 : 0, read }
  },
  part: ({ task_type: task }, id) =>
    typeof task === 'string' ? task : id.includes('/') ? (id.split('/')[0] ?? null) : null,
  partCount: 20,
  ask: {
    prompt: (one) => {
      const candidates = columnOptions(one, 'candidates')
      const options = candidates.map((text, i) => `(${letterAt(i)}) ${text}\n`)
      return `Question:${columnText(one, 'question')}\nOption:\n${options.join('')}Only give the best option.\n`
    },
    about: 'question, options in brackets and "Only give the best option.", after the clip',
    maxTokens: 16,
    file: 'json',
    images: () => [],
    video: (one) => `${FOLDERS[taskOf(one.file)] ?? '.'}/${columnText(one, 'video')}`,
    seconds: secondsOf,
    folder: 'video',
  },
  published: [
    ...oneVisionRow('overall', [43.3, 45.5, 51.2, 56.7, 57.1, 59.4]),
    ...juneRow('overall', [45.6, 53.1, 54.9, 52.3]),
  ],
})

/** The repository's branch `video` has clips that are cut; its main branch has films, and frames at three a second, and says where. */
function secondsOf({ start, end, fps }: Row, file: EvalFile): ClipSeconds | null {
  const cutIn = FOLDERS[taskOf(file)]?.split('/').at(-1) ?? ''
  if (typeof start !== 'number' || typeof end !== 'number' || !cutIn.endsWith('_segment'))
    return null
  return { start, end, ...(typeof fps === 'number' ? { fps } : {}), cutIn }
}

function candidatesOf({ candidates }: Row): string[] {
  if (typeof candidates === 'string') return readPythonList(candidates) ?? []
  return Array.isArray(candidates) ? candidates.map(String) : []
}

/** VLMEvalKit's reading: as the notebook's, and where that fails the letter or option that it infers. */
function tableScore(answer: string, target: string, candidates: readonly string[]) {
  const letter = letterAt(candidates.indexOf(target))
  const options = Object.fromEntries(candidates.map((text, i) => [letterAt(i), text]))
  const isRight =
    officialScore(pythonStrip(answer), `(${letter}) ${target}`) === 1 ||
    inferredLetter(answer, options) === letter
  return { score: isRight ? 1 : 0, read: answer }
}

/** Of counts that cannot be, in characters. */
const MOST_SHOWN = 120

/** What the notebook writes: {"acc_dict": {"Action Sequence": [148, 200], …}, "res_list": [{"pred": "(A) …", "gt": "(A) …"}, …]}, task by task. */
function unpackResults(file: EvalFile): readonly Row[] | null {
  if (!/^\s*\{\s*"(?:acc_dict|res_list)"\s*:/.test(file.text)) return null
  const whole = readJson(file)
  const { acc_dict: tasks, res_list: list } = isRow(whole) ? whole : {}
  if (!isRow(tasks) || !Array.isArray(list) || !list.every(isRow))
    throw unreadable(file, 'an object with "acc_dict" and "res_list"')
  const totals = Object.entries(tasks).map(([name, counts]) => ({
    name,
    total: Array.isArray(counts) ? Number(counts[1]) : Number.NaN,
  }))
  const counted = totals.reduce((sum, { total }) => sum + total, 0)
  const isCount = ({ total }: { readonly total: number }) => Number.isInteger(total) && total >= 0
  if (counted !== list.length || !totals.every(isCount)) {
    throw new InputError(
      'INPUT_ANSWERS_BROKEN',
      `eval.mvbench: the counts of "acc_dict" in ${file.name}, [right, all] of each task, should be of the ${list.length} answers in "res_list", they are ${JSON.stringify(tasks).slice(0, MOST_SHOWN)}; take the file as the notebook wrote it.`,
    )
  }
  const names = totals.flatMap(({ name, total }) => Array.from({ length: total }, () => name))
  return list.map((row, i) => ({
    ...row,
    question_id: i,
    answer: row['gt'],
    task_type: names[i],
  }))
}

/** The notebook's check_ans: one of the first words holds the other. */
function officialScore(answer: string, truth: string): number {
  const [given = '', wanted = ''] = [answer, truth].map((text) => text.toLowerCase().split(' ')[0])
  return wanted.includes(given.replaceAll('.', '')) || given.includes(wanted) ? 1 : 0
}

/** `json/action_antonym.json` holds that task; Parquet shards lie in its folder. */
function taskOf({ name }: EvalFile): string {
  const parts = name.split('/')
  const file = (parts.at(-1) ?? name).replace(/\.\w+$/, '')
  return file in FOLDERS ? file : (parts.find((part) => part in FOLDERS) ?? file)
}
