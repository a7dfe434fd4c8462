/**
 * Keys of an object that are none of those that its schema names, as rules of a grammar.
 *
 * The named keys are a tree of characters. A key that leaves the tree is another one and goes on as any text does; one that
 * ends in the tree is another one where no named key ends. On the way no character is written as an escape that could be
 * one of the tree: `\u0061` is an `a`.
 */

type Node = { readonly next: Map<string, Node>; isEnd: boolean }

/** Escapes of characters that no named key holds. */
const OTHER_ESCAPES = '"\\\\" ["\\\\bfnrt] basic_string_sub'

/** The rules of which the first, called `name`, is the key with its quotes; `basic_string_sub` is XGrammar's rest of a text. */
export function otherKeyRules(name: string, keys: readonly string[]): string[] {
  const rules: string[] = []
  const make = (node: Node): string => {
    const place = rules.push('') - 1
    const own = `${name}_${place}`
    const further = [...node.next].map(
      ([character, after]) => `${JSON.stringify(character)} ${make(after)}`,
    )
    const ways = [
      ...(node.isEnd ? [] : ['"\\""']),
      `${strangers([...node.next.keys()])} basic_string_sub`,
      OTHER_ESCAPES,
      ...further,
    ]
    rules[place] = `${own} ::= ${ways.join(' | ')}`
    return own
  }
  const first = make(treeOf(keys))
  return [`${name} ::= "\\"" ${first}`, ...rules]
}

/** At least as many rules as these keys make. */
export function otherKeyRulesCount(keys: readonly string[]): number {
  return 2 + keys.reduce((sum, key) => sum + key.length, 0)
}

function treeOf(keys: readonly string[]): Node {
  const root: Node = { next: new Map(), isEnd: false }
  for (const key of keys) {
    let node = root
    for (const character of key) {
      const after = node.next.get(character) ?? { next: new Map(), isEnd: false }
      node.next.set(character, after)
      node = after
    }
    node.isEnd = true
  }
  return root
}

/**
 * The class of characters that leave the tree. A class of XGrammar's cannot leave out a character beyond ASCII: beside one of
 * those only ASCII leaves it.
 */
function strangers(characters: readonly string[]): string {
  if (characters.every(isAscii)) {
    return `[^\\x00-\\x1f\\x22\\x5c${characters.map(hex).join('')}]`
  }
  const printable = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i))
  const others = printable.filter((one) => one !== '"' && one !== '\\' && !characters.includes(one))
  return `[${others.map(hex).join('')}]`
}

function isAscii(character: string): boolean {
  return character <= '\x7f'
}

function hex(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
}
