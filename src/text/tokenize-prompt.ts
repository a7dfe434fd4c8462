/**
 * A prompt with `<image>` in it, tokenised as the original repositories do: each piece between tags on its own.
 *
 * Source: haotian-liu/LLaVA, llava/mm_utils.py, tokenizer_image_token (c121f04); the same in LLaVA-NeXT (df17966).
 */
import { checkArgument, checkFields } from '../core/check-argument.ts'
import { checkFlags } from '../core/check-choice.ts'
import { checkOptions } from '../core/check-options.ts'
import { atOnce, type Steps } from '../core/steps.ts'
import type { EncodeOptions, Tokenizer } from './tokenizer.ts'

/** Stands where the rows of a picture will stand. */
export const IMAGE_TOKEN_INDEX = -200

export type TokenizePromptOptions = {
  /** BOS in front even of a prompt whose text begins with it, as the original does. Default true. */
  readonly doubleBos?: boolean
  /** Characters that stand for others, as in `encode`. */
  readonly standIns?: EncodeOptions['standIns']
}

/**
 * The ids of `prompt`, −200 for each `<image>`.
 *
 * Every piece is tokenised with BOS, and all but the first BOS are dropped again. Quirks kept: whether to drop is asked
 * of the first piece alone, so with a tokenizer that adds no BOS, a prompt whose text begins with BOS loses the first
 * id of every later piece; and a tokenizer that adds BOS gives two of them to a prompt whose text begins with it, as
 * Llama 3's template does (`doubleBos: false` gives one).
 */
export function tokenizePrompt(
  tokenizer: Pick<Tokenizer, 'encode' | 'bosId'>,
  prompt: string,
  options: TokenizePromptOptions = {},
): number[] {
  checkFields('tokenizePrompt: tokenizer', tokenizer, ['encode'], 'load one with loadTokenizer')
  const { bosId } = tokenizer
  // A tokenizer of somebody's own may have no pauses: there is one in front of each piece.
  const encodeSteps = function* (text: string, how?: EncodeOptions): Steps<number[]> {
    yield
    return tokenizer.encode(text, how)
  }
  return atOnce(tokenizePromptSteps({ bosId, encodeSteps }, prompt, options))
}

/** The same with pauses. */
export function* tokenizePromptSteps(
  tokenizer: Pick<Tokenizer, 'encodeSteps' | 'bosId'>,
  prompt: string,
  options: TokenizePromptOptions = {},
): Steps<number[]> {
  checkArgument('tokenizePrompt: prompt', prompt, 'a string')
  checkOptions('tokenizePrompt', options, ['doubleBos', 'standIns'])
  checkFlags('tokenizePrompt', { doubleBos: options.doubleBos })
  const pieces: number[][] = []
  for (const piece of prompt.split('<image>')) {
    pieces.push(yield* tokenizer.encodeSteps(piece, { addBos: true, standIns: options.standIns }))
  }
  const first = pieces[0]?.[0]
  const isBosAdded = first !== undefined && first === tokenizer.bosId
  if (isBosAdded && options.doubleBos === false && pieces[0]?.[1] === first) pieces[0].shift()
  const ids = isBosAdded ? [first] : []
  pieces.forEach((piece, i) => {
    if (i > 0) ids.push(IMAGE_TOKEN_INDEX)
    for (let at = isBosAdded ? 1 : 0; at < piece.length; at++) ids.push(piece[at] as number)
  })
  return ids
}
