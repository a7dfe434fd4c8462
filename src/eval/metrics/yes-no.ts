/** Yes or no, read out of an answer. */

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
 * MME's reading: exactly yes or no, else whichever the first four letters hold. lmms-eval leaves out spaces at the ends and full
 * stops first: `1. no` is no to it and neither to the official script.
 * Source: BradyFU/Awesome-Multimodal-Large-Language-Models, tools/eval_tool/calculation.py; lmms-eval tasks/mme/utils.py.
 */
export function mmeAnswer(
  text: string,
  form: 'mme' | 'lmms-eval' = 'lmms-eval',
): 'yes' | 'no' | 'other' {
  const lower = text.toLowerCase()
  const plain = form === 'mme' ? lower : lower.trim().replaceAll('.', '')
  const start = plain.slice(0, 4)
  if (start.includes('yes')) return 'yes'
  return start.includes('no') ? 'no' : 'other'
}
