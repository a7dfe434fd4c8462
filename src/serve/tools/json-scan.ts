/** Where a value of JSON ends in text that is still growing, and the text of a field of an object as it stands there. */

/** Finds the end of one object or list. Texts in it are skipped. */
export class JsonEnd {
  #depth = 0
  #isInText = false
  #isEscaped = false
  #at = 0

  /** The index behind the value in `text`, which begins with the value; null while it is not whole. `text` may only grow. */
  find(text: string): number | null {
    for (; this.#at < text.length; this.#at++) {
      if (this.#step(text[this.#at] as string)) return this.#at + 1
    }
    return null
  }

  #step(character: string): boolean {
    if (this.#isInText) {
      if (this.#isEscaped) this.#isEscaped = false
      else if (character === '\\') this.#isEscaped = true
      else if (character === '"') this.#isInText = false
      return false
    }
    if (character === '"') this.#isInText = true
    else if (character === '{' || character === '[') this.#depth++
    else if (character === '}' || character === ']') return --this.#depth <= 0
    return false
  }
}

/**
 * The text of a field of an object; undefined where it has none. `object` is valid JSON of an object.
 *
 * Parsing and writing again would round numbers of more than 53 bits.
 */
export function fieldText(object: string, name: string): string | undefined {
  let found: string | undefined
  let at = skipSpace(object, 1)
  while (object[at] === '"') {
    const keyEnd = valueEnd(object, at)
    const start = skipSpace(object, skipSpace(object, keyEnd) + 1)
    const end = valueEnd(object, start)
    if (JSON.parse(object.slice(at, keyEnd)) === name) found = object.slice(start, end)
    at = skipSpace(object, end)
    if (object[at] === ',') at = skipSpace(object, at + 1)
  }
  return found
}

/** The texts of the elements of a list, which is valid JSON. */
export function elementTexts(list: string): string[] {
  const texts: string[] = []
  let at = skipSpace(list, 1)
  while (at < list.length && list[at] !== ']') {
    const end = valueEnd(list, at)
    texts.push(list.slice(at, end))
    at = skipSpace(list, end)
    if (list[at] === ',') at = skipSpace(list, at + 1)
  }
  return texts
}

function skipSpace(text: string, from: number): number {
  let at = from
  while (/\s/.test(text[at] ?? '')) at++
  return at
}

function valueEnd(json: string, from: number): number {
  const first = json[from]
  if (first === '{' || first === '[') return from + (new JsonEnd().find(json.slice(from)) ?? 0)
  if (first !== '"') return from + (/^[^\s,\]}]+/.exec(json.slice(from))?.[0].length ?? 0)
  let at = from + 1
  while (json[at] !== '"') at += json[at] === '\\' ? 2 : 1
  return at + 1
}
