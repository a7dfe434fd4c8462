/**
 * The text of an answer as elements.
 *
 * What a model says is never markup here: the text becomes tokens, and the tokens that this file knows become elements with
 * attributes that this file writes. There is no way from a text to other elements, HTML in it is shown as it is written, and
 * nothing of it is loaded: pictures are links, and a link leads to http, https or mail when somebody follows it.
 */
import { Lexer, Tokenizer, type Token, type Tokens } from 'marked'
import { h, type ComponentChildren, type VNode } from 'preact'

export function markdown(text: string): VNode[] {
  return blocks(new Lexer({ gfm: true, breaks: true, tokenizer: boundedTokenizer() }).lex(text))
}

/** Every mark looks for the one that ends it among all that follow: a paragraph with more than so many has no emphasis. */
const MOST_MARKS = 500

function boundedTokenizer(): Tokenizer {
  const tokenizer = new Tokenizer()
  const emStrong = tokenizer.emStrong.bind(tokenizer)
  let [paragraph, isBounded] = ['', true]
  tokenizer.emStrong = (text, whole, before) => {
    if (whole !== paragraph) {
      paragraph = whole
      isBounded = (whole.match(/[*_]+/g)?.length ?? 0) <= MOST_MARKS
    }
    return isBounded ? emStrong(text, whole, before) : undefined
  }
  return tokenizer
}

type Made = VNode | string

type Attributes = Readonly<Record<string, string | number | boolean | undefined>>

function element(
  name: string,
  attributes: Attributes | null,
  ...children: ComponentChildren[]
): VNode {
  return h(name, attributes as object, ...children) as VNode
}

function blocks(tokens: readonly Token[]): VNode[] {
  return tokens.flatMap((token) => block(token as Tokens.Generic) ?? [])
}

function block(token: Tokens.Generic): VNode | null {
  switch (token.type) {
    case 'space':
    case 'def':
    case 'checkbox':
      return null
    case 'heading':
      // The page has a first and a second heading of its own.
      return element(`h${Math.min(token['depth'] + 2, 6)}`, null, inline(token))
    case 'code':
      return element('pre', { tabIndex: 0 }, element('code', null, String(token['text'])))
    case 'blockquote':
      return element('blockquote', null, blocks(token.tokens ?? []))
    case 'list':
      return list(token as Tokens.List)
    case 'table':
      return table(token as Tokens.Table)
    case 'hr':
      return element('hr', null)
    default:
      return element('p', null, inline(token))
  }
}

function list({ ordered, start, items }: Tokens.List): VNode {
  const rows = items.map(({ task, checked, tokens, loose }) => {
    const content = tokens.flatMap((token): Made[] => {
      if (token.type === 'text' && !loose) return inline(token as Tokens.Generic)
      const made = block(token as Tokens.Generic)
      return made ? [made] : []
    })
    const mark = task
      ? [element('input', { type: 'checkbox', checked: checked === true, disabled: true }), ' ']
      : []
    return element('li', null, mark, content)
  })
  return ordered
    ? element('ol', { start: start === '' ? 1 : Number(start) }, rows)
    : element('ul', null, rows)
}

function table({ header, rows }: Tokens.Table): VNode {
  const cell = (name: string) => (one: Tokens.TableCell) =>
    element(name, { class: one.align ? `to-${one.align}` : undefined }, inlineTokens(one.tokens))
  return element(
    'div',
    { class: 'table', tabIndex: 0 },
    element(
      'table',
      null,
      element('thead', null, element('tr', null, header.map(cell('th')))),
      element(
        'tbody',
        null,
        rows.map((row) => element('tr', null, row.map(cell('td')))),
      ),
    ),
  )
}

function inline(token: Tokens.Generic): Made[] {
  return token.tokens ? inlineTokens(token.tokens) : [plain(token)]
}

function inlineTokens(tokens: readonly Token[]): Made[] {
  return tokens.flatMap((token) => inlineToken(token as Tokens.Generic))
}

function inlineToken(token: Tokens.Generic): Made[] {
  switch (token.type) {
    case 'strong':
    case 'em':
    case 'del':
      return [element(token.type, null, inline(token))]
    case 'codespan':
      return [element('code', null, String(token['text']))]
    case 'br':
      return [element('br', null)]
    case 'checkbox':
      return []
    case 'link':
      return [link(String(token['href']), inline(token))]
    case 'image':
      return [link(String(token['href']), `picture: ${token['text'] || token['href']}`)]
    case 'escape':
      return [String(token['text'])]
    default:
      return token.tokens ? inlineTokens(token.tokens) : [plain(token)]
  }
}

const REACHABLE = ['http:', 'https:', 'mailto:']

/** Whoever follows it tells the other side nothing of this page, and sees before where it leads. */
function link(href: string, shown: ComponentChildren): Made {
  if (!URL.canParse(href) || !REACHABLE.includes(new URL(href).protocol)) {
    return element('span', null, shown)
  }
  const attributes = { href, title: href, target: '_blank', rel: 'noopener noreferrer nofollow' }
  return element('a', attributes, shown)
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
  '&nbsp;': '\u00a0',
}

function plain(token: Tokens.Generic): string {
  const text = String(token['text'] ?? token.raw)
  if (token.type === 'html') return text
  return text.replace(/&(?:amp|lt|gt|quot|#39|nbsp);/g, (entity) => ENTITIES[entity] ?? entity)
}
