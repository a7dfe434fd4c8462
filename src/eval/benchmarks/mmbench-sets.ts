/**
 * The tables that MMBench is published in, as the authors, lmms-eval and VLMEvalKit name them, and of which one files are.
 *
 * Source: mmbench_dev_20230712.tsv, mmbench_test_en_20231003.tsv of github.com/open-compass/MMBench; lmms-eval tasks/mmbench at 75571cf;
 * vlmeval/dataset/image_mcq.py at e8e78f0.
 */
import type { Benchmark, OtherSet, SetFiles, ShownSet } from '../benchmark.ts'
import { readRows } from '../eval-file.ts'

export type Language = 'en' | 'cn'

/** VLMEvalKit's tables of both splits; any file that is called after the benchmark has this name too. */
const WHOLE = { en: 'MMBench', cn: 'MMBench_CN' } as const

/** Its tables in languages that are no benchmark here. */
const LANGUAGES = ['ar', 'pt', 'ru', 'tr'].map((code) => `MMBench_DEV_${code}`)

export function mmbenchSets(
  label: string,
  language: Language,
): Pick<Benchmark, 'tasks' | 'split' | 'otherSets' | 'ofSet'> {
  const [dev, test, ...others] = splitSets(label, language)
  const foreign = splitSets(label, language === 'en' ? 'cn' : 'en').flatMap(({ tasks }) => tasks)
  const both = { title: `${label} (dev and test)` }
  return {
    tasks: [WHOLE[language], ...dev.tasks],
    split: 'dev',
    otherSets: [
      test,
      ...others,
      {
        title: `${label} (another language)`,
        tasks: [...foreign, ...(language === 'en' ? [WHOLE.cn] : []), ...LANGUAGES],
        isForeign: true,
      },
      { title: 'CCBench', tasks: ['mmbench_cn_cc', 'CCBench', 'MMBench_DEV_CC'], isForeign: true },
    ],
    ofSet: (files, named) => named ?? splitSet(files, { test, both }),
  }
}

function splitSets(label: string, language: Language): [OtherSet, OtherSet, ...OtherSet[]] {
  // The authors' date, and the English ones of 2023-07 do not name their language.
  const tasks = (split: 'dev' | 'test') => [
    `mmbench_${language}_${split}`,
    `MMBench_${split}_${language}`,
    `mmbench_${split}_${language}_#`,
    ...(language === 'en' ? [`mmbench_${split}_#`] : []),
  ]
  return [
    { title: `${label} (dev)`, tasks: tasks('dev') },
    { title: `${label} (test)`, tasks: tasks('test'), split: 'test' },
    { title: `${label} (dev, lite)`, tasks: [`mmbench_${language}_dev_lite`] },
    { title: `${label} V1.1 (dev)`, tasks: [`MMBench_DEV_${language}_V11`] },
    { title: `${label} V1.1 (test)`, tasks: [`MMBench_TEST_${language}_V11`] },
    { title: `${label} V1.1 (dev and test)`, tasks: [`${WHOLE[language]}_V11`] },
  ]
}

/** By the column `split` of VLMEvalKit's tables and of the submission; null where all is of dev, or nothing tells. */
function splitSet(
  { questions = [], labels = [], answers = [] }: SetFiles,
  { test, both }: { readonly test: ShownSet; readonly both: ShownSet },
): ShownSet | null {
  const truths = [questions, labels, answers].find(({ length }) => length > 0) ?? []
  const splits = new Set(truths.flatMap((file) => readRows(file).map(({ split }) => split)))
  if (!splits.has('test')) return null
  return splits.has('dev') ? both : test
}
