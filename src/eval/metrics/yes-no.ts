/** Yes or no, read out of an answer. */
import { pythonWords } from '../python-text.ts'
import { withoutMarks } from './choice-letter.ts'

/**
 * POPE's reading: of the text before the first full stop, without commas, any of the words `No`, `not`, `no` means no, and
 * everything else yes. `NO`, `Nope` and `Yes; no` are the traps of it, kept.
 * Source: haotian-liu/LLaVA llava/eval/eval_pope.py at c121f04.
 */
export function popeAnswer(text: string): 'yes' | 'no' {
  const [sentence = ''] = text.split('.')
  const words = sentence.replaceAll(',', '').split(' ')
  return ['No', 'not', 'no'].some((word) => words.includes(word)) ? 'no' : 'yes'
}

/**
 * VLMEvalKit's reading of any yes-or-no question: whichever of the words yes and no occurs without the other; else unknown.
 * Source: open-compass/VLMEvalKit vlmeval/dataset/utils/yorn.py at e8e78f0, YOrN_Extraction.
 */
export function yesOrNo(text: string): 'yes' | 'no' | 'unknown' {
  const words = pythonWords(withoutMarks(text.toLowerCase()))
  const [isYes, isNo] = [words.includes('yes'), words.includes('no')]
  if (isYes === isNo) return 'unknown'
  return isYes ? 'yes' : 'no'
}

/** lmms-eval's reading of POPE: the answer is the word and nothing else. Source: lmms-eval tasks/pope/utils.py. */
export function exactlyYesOrNo(text: string): 'yes' | 'no' | 'other' {
  const word = text.toLowerCase().trim()
  return word === 'yes' || word === 'no' ? word : 'other'
}

/**
 * MME's reading: exactly yes or no, else whichever the first four letters hold. lmms-eval leaves out spaces at the ends and full
 * stops first, and takes a lone `y` or `n`: `1. no` is no to it and neither to the official script.
 * Source: BradyFU/Awesome-Multimodal-Large-Language-Models, tools/eval_tool/calculation.py; lmms-eval tasks/mme/utils.py.
 */
export function mmeAnswer(
  text: string,
  form: 'mme' | 'lmms-eval' = 'lmms-eval',
): 'yes' | 'no' | 'other' {
  const lower = text.toLowerCase()
  const plain = form === 'mme' ? lower : lower.trim().replaceAll('.', '')
  if (form === 'lmms-eval' && (plain === 'y' || plain === 'n')) return plain === 'y' ? 'yes' : 'no'
  const start = plain.slice(0, 4)
  if (start.includes('yes')) return 'yes'
  return start.includes('no') ? 'no' : 'other'
}
