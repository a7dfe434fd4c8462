/** An answer as text on stdout: as it grows on a terminal, at once elsewhere. */
import type { Answer, GenerateRequest, Model } from '../index.ts'
import { Waiting } from './waiting.ts'
import type { Terminal } from './terminal.ts'

/** Shows the answer and returns it. Several answers to one request come best first, each under its number. */
export async function showAnswer(
  model: Model,
  request: GenerateRequest,
  terminal: Terminal,
): Promise<Answer> {
  const isOne = (request.n ?? 1) === 1 && (request.numBeams ?? 1) === 1
  const waiting = new Waiting(terminal)
  try {
    if (isOne && terminal.isInteractive)
      return await streamAnswer(model, request, { terminal, waiting })
    const answer = await model.generate(request)
    waiting.end()
    printWhole(answer, terminal)
    return answer
  } finally {
    waiting.end()
  }
}

async function streamAnswer(
  model: Model,
  request: GenerateRequest,
  { terminal, waiting }: { readonly terminal: Terminal; readonly waiting: Waiting },
): Promise<Answer> {
  for await (const event of model.stream(request)) {
    waiting.end()
    if (event.type === 'text') {
      terminal.writeForeign(event.text)
      continue
    }
    const { type: _, ...answer } = event
    terminal.print()
    terminal.note(terminal.style('dim', summary(answer), 'stderr'))
    return answer
  }
  throw new Error('internal: the stream ended without an answer')
}

function printWhole(answer: Answer, terminal: Terminal): void {
  if (!answer.sequences) {
    terminal.writeForeign(`${answer.text}\n`)
    return
  }
  answer.sequences.forEach(({ text, score }, i) => {
    terminal.print(terminal.style('dim', `${i + 1}. (score ${score.toFixed(3)})`))
    terminal.writeForeign(`${text}\n`)
  })
}

/**
 * `576 + 24 tokens in, 17 out in 1.2 s: 14.2 a second, the first after 0.3 s; waited 0.0 s for pixels, encoded 0.2 s`. The
 * next frames of a clip are decoded while one is encoded, so what was waited is less than what the decoder took.
 */
function summary({ usage, timings, finishReason }: Answer): string {
  const { promptTokens, imageTokens, completionTokens } = usage
  const text = promptTokens - imageTokens
  const input = imageTokens > 0 ? `${imageTokens} + ${text}` : String(text)
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`
  const rate =
    timings.decodeMs > 0 ? ((completionTokens * 1000) / timings.decodeMs).toFixed(1) : '–'
  const seen =
    imageTokens > 0
      ? `; waited ${seconds(timings.preprocessMs)} for pixels, encoded ${seconds(timings.visionMs)}`
      : ''
  const end = finishReason === 'length' ? '; cut at --max-tokens' : ''
  return `${input} tokens in, ${completionTokens} out in ${seconds(timings.totalMs)}: ${rate} a second, the first after ${seconds(timings.firstTokenMs)}${seen}${end}`
}
