/** Whatever a model says, only elements and attributes of this list come of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ComponentChild, VNode } from 'preact'
import { markdown } from './markdown.ts'

/** Of a processor: many times what it takes, and a fraction of what looking for all their ends took. */
const MARKS_US = 2e6

const ELEMENTS: Readonly<Record<string, readonly string[]>> = {
  a: ['href', 'title', 'target', 'rel'],
  blockquote: [],
  br: [],
  code: [],
  del: [],
  div: ['class', 'tabIndex'],
  em: [],
  h3: [],
  h4: [],
  h5: [],
  h6: [],
  hr: [],
  input: ['type', 'checked', 'disabled'],
  li: [],
  ol: ['start'],
  p: [],
  pre: ['tabIndex'],
  span: [],
  strong: [],
  table: [],
  tbody: [],
  td: ['class'],
  th: ['class'],
  thead: [],
  tr: [],
  ul: [],
}

type Plain = { readonly type: string; readonly props: Readonly<Record<string, unknown>> }

function elementsOf(children: ComponentChild | readonly ComponentChild[]): Plain[] {
  if (Array.isArray(children))
    return children.flatMap((child) => elementsOf(child as ComponentChild))
  if (children === null || typeof children !== 'object') return []
  const { type, props } = children as VNode<Record<string, unknown>>
  return [{ type: String(type), props }, ...elementsOf(props['children'] as ComponentChild)]
}

function textOf(children: ComponentChild | readonly ComponentChild[]): string {
  if (Array.isArray(children))
    return children.map((child) => textOf(child as ComponentChild)).join('')
  if (typeof children === 'string' || typeof children === 'number') return String(children)
  if (children === null || typeof children !== 'object') return ''
  return textOf((children as VNode<{ children?: ComponentChild }>).props.children ?? '')
}

function assertHarmless(text: string): void {
  for (const { type, props } of elementsOf(markdown(text))) {
    const allowed = ELEMENTS[type]
    assert.ok(allowed, `<${type}> came of ${JSON.stringify(text)}`)
    for (const [name, value] of Object.entries(props)) {
      if (name === 'children') continue
      assert.ok(allowed.includes(name), `${type} has ${name}, of ${JSON.stringify(text)}`)
      if (name !== 'href') continue
      assert.match(String(value), /^(?:https?|mailto):/i)
      assert.equal(props['rel'], 'noopener noreferrer nofollow')
    }
  }
}

const ATTACKS = [
  '![x](http://evil.example/x.png)',
  '![x][r]\n\n[r]: http://evil.example/x.png',
  '<img src=x onerror=alert(1)>',
  '<script>alert(1)</script>',
  'a <b onmouseover=alert(1)>b</b>',
  '[x](javascript:alert(1))',
  '[x](JaVaScRiPt:alert(1))',
  '[x](&#106;avascript:alert(1))',
  '[x](\u0001javascript:alert(1))',
  '[x](java\tscript:alert(1))',
  '[x](vbscript:x) [x](data:text/html;base64,PHNjcmlwdD4=) [x](file:///etc/passwd) [x](blob:x)',
  '[x](//evil.example/x) [x](/v1/models) [x](?x) [x](#x)',
  '<javascript:alert(1)>',
  '[![x](http://evil.example/x.png)](http://evil.example)',
  '<iframe src=//evil.example></iframe>\n\n<style>@import url(//evil.example)</style>',
  '<svg onload=alert(1)><image href="http://evil.example/x.png"/></svg>',
  '| <img src=x> | ![x](http://evil.example) |\n|-|-|\n| [x](javascript:1) | `<b>` |',
  '- [x] <input autofocus onfocus=alert(1)>',
  '```html" onload="alert(1)\n<script>\n```',
  '[__proto__]: javascript:1\n[x][__proto__] [constructor]',
]

test('no text of an attack becomes an element that loads, runs or leads elsewhere than to the web', () => {
  for (const attack of ATTACKS) assertHarmless(attack)
  const pieces = fc.constantFrom(...ATTACKS, '\n', '> ', '* ', '`', '<', '](', '&#x6a;', '|', '  ')
  const texts = fc.array(fc.oneof(pieces, fc.string()), { maxLength: 12 })
  fc.assert(
    fc.property(texts, (some) => assertHarmless(some.join(''))),
    { numRuns: 300 },
  )
})

test('HTML is shown as it is written, and a picture as a link with its description', () => {
  assert.equal(textOf(markdown('a <b>b</b>')), 'a <b>b</b>')
  const [link] = elementsOf(markdown('![a cat](https://a.example/cat.png)')).slice(1)
  assert.equal(link?.type, 'a')
  assert.equal(link.props['href'], 'https://a.example/cat.png')
  assert.equal(textOf(link.props['children'] as ComponentChild), 'picture: a cat')
})

test('Markdown becomes the elements that it means', () => {
  const types = (text: string) => elementsOf(markdown(text)).map(({ type }) => type)
  assert.deepEqual(types('# a'), ['h3'])
  assert.deepEqual(types('**a** *b* `c` ~~d~~'), ['p', 'strong', 'em', 'code', 'del'])
  assert.deepEqual(types('- a\n- b'), ['ul', 'li', 'li'])
  assert.deepEqual(types('- [x] a\n- [ ] b'), ['ul', 'li', 'input', 'li', 'input'])
  assert.deepEqual(types('3. a'), ['ol', 'li'])
  assert.deepEqual(types('```js\na\n```'), ['pre', 'code'])
  assert.deepEqual(types('> a'), ['blockquote', 'p'])
  assert.equal(textOf(markdown('a &amp; b &lt;c&gt; 1 < 2')), 'a & b <c> 1 < 2')
})

test('an ordered list begins where the text begins it', () => {
  const starts = ['0. a', '1. a', '7. a'].map((text) => markdown(text)[0]?.props)
  assert.deepEqual(
    starts.map((props) => (props as { start?: number } | undefined)?.start),
    [0, 1, 7],
  )
})

test('a paragraph of nothing but marks is shown at once, as it was written', () => {
  const marks = '*a_'.repeat(6000)
  const start = process.cpuUsage()
  const shown = markdown(`${marks}\n\n*b*`)
  const { user } = process.cpuUsage(start)
  assert.ok(user < MARKS_US, `${user} µs`)
  assert.deepEqual(
    elementsOf(shown).map(({ type }) => type),
    ['p', 'p', 'em'],
  )
  assert.equal(textOf(shown[0]), marks)
})
