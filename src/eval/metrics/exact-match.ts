/** Equality of short answers, in the forms that benchmarks ask for. */

/** 1 if both are the same but for case, marks and spaces at the ends. */
export function exactMatch(answer: string, target: string): number {
  return withoutCase(answer).trim() === withoutCase(target).trim() ? 1 : 0
}

/** lmms-eval's exact match without case and marks: spaces at the ends make a difference. Source: lmms-eval api/metrics.py at 75571cf. */
export function exactMatchOfSamples(answer: string, target: string): number {
  return withoutCase(answer) === withoutCase(target) ? 1 : 0
}

function withoutCase(text: string): string {
  return text.toLowerCase().replaceAll(/[!-/:-@[-`{-~]/g, '')
}
