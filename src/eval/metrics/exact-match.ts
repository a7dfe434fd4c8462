/** Equality of short answers, in the forms that benchmarks ask for. */

/** 1 if both are the same but for case, marks and spaces at the ends. */
export function exactMatch(answer: string, target: string): number {
  return plain(answer) === plain(target) ? 1 : 0
}

function plain(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[!-/:-@[-`{-~]/g, '')
    .trim()
}
