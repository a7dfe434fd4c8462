import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ConfigError, InputError, LlavaError } from '../../core/errors.ts'
import { parseTemplate, renderTemplate } from './template.ts'
import { rounds } from '../../../test/thorough.ts'

function render(source: string, variables: Record<string, unknown> = {}): string {
  return renderTemplate(parseTemplate(source), variables).text
}

function codeOf(source: string, variables: Record<string, unknown> = {}): string {
  try {
    render(source, variables)
  } catch (error) {
    assert.ok(error instanceof LlavaError, String(error))
    return error.code
  }
  return 'none'
}

describe('a template', () => {
  test('is parsed once and rendered many times with other variables', () => {
    const template = parseTemplate(
      '{{ a }}{% set ns = namespace(n=0) %}{% set ns.n = ns.n + 1 %}{{ ns.n }}',
    )
    assert.equal(renderTemplate(template, { a: 1 }).text, '11')
    assert.equal(renderTemplate(template, { a: 'x' }).text, 'x1')
  })

  test('tells whole numbers from others, and takes bigints as they are', () => {
    assert.equal(
      render('{{ a }} {{ b }} {{ c }} {{ a / 2 }}', { a: 3, b: 1.5, c: 10n ** 20n }),
      '3 1.5 100000000000000000000 1.5',
    )
  })

  test('sees bytes and other objects only as a text that names their type', () => {
    const message = { image: new Uint8Array(3), at: new Date(), f: () => 1, gone: undefined }
    assert.equal(
      render('{{ m.image }} {{ m.at }} {{ m.f }} {{ m.gone is defined }}', { m: message }),
      '<Uint8Array> <Date> <function> False',
    )
  })

  test('counts generation spans in code points', () => {
    const template = parseTemplate('🙂{% generation %}é🙂{% endgeneration %}.')
    assert.deepEqual(renderTemplate(template, {}).generationSpans, [[1, 3]])
  })
})

describe('what a template may not do', () => {
  test('reach a prototype or constructor', () => {
    for (const name of [
      '__proto__',
      'constructor',
      'prototype',
      'hasOwnProperty',
      'toString',
      'valueOf',
    ]) {
      for (const owner of ["''", '[]', '{}', '1', 'm', 'range', 'dict', '(1,)', 'namespace(a=1)']) {
        assert.equal(
          render(`{{ ${owner}.${name} }}{{ ${owner}['${name}'] is defined }}`, { m: {} }),
          'False',
        )
      }
    }
    assert.equal(render('{{ m.__proto__ }}', { m: JSON.parse('{"__proto__": 5}') }), '5')
  })

  test('hand out what Python keeps private', () => {
    assert.equal(codeOf("{{ ''.__class__.__mro__ }}"), 'CONFIG_TEMPLATE_UNSAFE')
    assert.equal(codeOf("{{ '{0.__class__.x}'.format('') }}"), 'CONFIG_TEMPLATE_UNSAFE')
    assert.equal(codeOf('{{ [].append(1) }}'), 'CONFIG_TEMPLATE_UNSAFE')
    assert.equal(codeOf('{% set ns = namespace() %}{% set ns._x = 1 %}'), 'CONFIG_TEMPLATE_UNSAFE')
  })

  test('change what it was given', () => {
    const given = { messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }] }] }
    const before = structuredClone(given)
    Object.freeze(given.messages)
    render('{% set messages = [] %}{% for m in messages %}{% set m = 1 %}{% endfor %}', given)
    assert.equal(codeOf("{{ messages[0].update({'role': 'x'}) }}", given), 'CONFIG_TEMPLATE_UNSAFE')
    assert.deepEqual(given, before)
  })

  test('use parts of Jinja that need other templates', () => {
    for (const tag of [
      "include 'x'",
      "extends 'x'",
      'block x',
      "import 'x' as y",
      'autoescape true',
    ]) {
      assert.equal(codeOf(`{% ${tag} %}`), 'CONFIG_TEMPLATE_UNSUPPORTED')
    }
    assert.equal(codeOf('{{ [1]|random }}'), 'CONFIG_TEMPLATE_UNSUPPORTED')
  })
})

describe('errors of a template', () => {
  test('name the line and what is wrong, by class: the template or what it was given', () => {
    assert.throws(() => render('a\nb{{ 1 + }}'), {
      name: 'ConfigError',
      code: 'CONFIG_TEMPLATE_SYNTAX',
      message:
        "chat template, line 2: expected a Jinja template, but unexpected 'end of print statement'; correct the template or give another.",
    })
    assert.throws(() => render("\n\n{{ raise_exception('roles must alternate') }}"), {
      name: 'InputError',
      code: 'INPUT_TEMPLATE_REFUSED',
      message:
        'chat template, line 3: it refuses these messages: roles must alternate; change the messages accordingly.',
    })
    assert.throws(() => render("{{ 'a' + m.text }}", { m: { text: null } }), {
      name: 'InputError',
      code: 'INPUT_TEMPLATE_FAILED',
      message:
        'chat template, line 1: it cannot render these messages: TypeError: can only concatenate str (not "NoneType") to str; does a message lack a field?',
    })
  })

  test('are InputErrors for data that nest in a circle', () => {
    const circle: Record<string, unknown> = {}
    circle['self'] = circle
    assert.equal(codeOf('{{ 1 }}', { circle }), 'INPUT_MESSAGE_DEPTH')
  })
})

/** Templates that double, nest, repeat or recurse without end. */
const HOSTILE: Readonly<Record<string, string>> = {
  'nested loops': '{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}',
  'a text doubled':
    '{% set n = namespace(x="ab") %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}',
  'a text repeated': '{{ "x" * 10 ** 12 }}',
  'a list repeated': '{% set x = [1] * 10 ** 10 %}',
  'a list doubled':
    '{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}',
  'a list that holds itself many times':
    '{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}',
  'the same as JSON':
    '{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x|tojson }}',
  'the same compared':
    '{% set n = namespace(x=[1], y=[1]) %}{% for i in range(99) %}{% set n.x = [n.x, n.x] %}{% set n.y = [n.y, n.y] %}{% endfor %}{{ n.x == n.y }}',
  'a namespace that holds itself': '{% set n = namespace() %}{% set n.x = n %}{{ n }}',
  'a macro that calls itself': '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}',
  'a macro that calls itself twice':
    '{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}',
  'a recursive loop': '{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}',
  'a power': '{{ 9 ** 9 ** 9 }}',
  'a square of a square':
    '{% set n = namespace(x=10) %}{% for i in range(99) %}{% set n.x = n.x * n.x %}{% endfor %}',
  'a wide field': '{{ "%999999999999d" % 1 }}',
  'many digits': '{{ "%.999999999f" % 1 }}',
  'a wide format field': '{{ "{:999999999999}".format(1) }}',
  'a wide centre': '{{ "x".center(999999999999) }}',
  'many zeros': '{{ "x".zfill(999999999999) }}',
  'a wide indent': '{{ "x"|indent(999999999999, true) }}',
  'a wide JSON indent': '{{ [1]|tojson(indent=999999999999) }}',
  'many slices': '{{ [1]|slice(999999999999)|list }}',
  'a long batch': '{{ [1]|batch(999999999999, 0)|list }}',
  'replacements that grow':
    '{% set n = namespace(x="a") %}{% for i in range(99) %}{% set n.x = n.x.replace("a", "aa") %}{% endfor %}',
  'a search without end':
    '{% set x = "a" * 9999999 %}{% for i in range(999) %}{{ (x ~ "b") in x }}{% endfor %}',
  'many searches': '{% set x = "a" * 4000000 %}{{ x.find("a" * 2000000 ~ "b") }}',
  'brackets without end': `{{ ${'('.repeat(100_000)}`,
  'nots without end': `{{ ${'not '.repeat(100_000)} 1 }}`,
  'minuses without end': `{{ ${'-'.repeat(100_000)} 1 }}`,
  'a sum without end': `{{ ${'1+'.repeat(100_000)}1 }}`,
  'attributes without end': `{{ a${'.a'.repeat(100_000)} }}`,
  'filters without end': `{{ a${'|upper'.repeat(100_000)} }}`,
  'tests in conditions without end': `{{ ${'1 if 1 else '.repeat(100_000)}1 }}`,
  'blocks without end': '{% if 1 %}'.repeat(100_000),
  'loops without end': '{% for a in [1] %}'.repeat(100_000),
}

describe('a hostile template', () => {
  for (const [name, source] of Object.entries(HOSTILE)) {
    test(`ends soon and with a name: ${name}`, () => {
      const before = process.cpuUsage() // not the clock: other tests run at the same time
      const code = codeOf(source)
      assert.ok(['CONFIG_TEMPLATE_LIMIT', 'CONFIG_TEMPLATE_SYNTAX', 'none'].includes(code), code)
      assert.ok(process.cpuUsage(before).user < 10e6, 'it took too long')
    })
  }

  test('meets the limits that the caller sets', () => {
    const template = parseTemplate('{% for i in range(1000) %}{{ i }}{% endfor %}')
    const limits = { code: 'CONFIG_TEMPLATE_LIMIT' }
    assert.throws(() => renderTemplate(template, {}, { limits: { steps: 100 } }), limits)
    assert.throws(() => renderTemplate(template, {}, { limits: { characters: 100 } }), limits)
    assert.throws(() => renderTemplate(template, {}, { limits: { depth: 1 } }), limits)
    assert.throws(() => renderTemplate(template, {}, { limits: { steps: 100 } }), {
      message: /more than 100 steps .*; send fewer or shorter messages and parts, or correct/,
    })
  })
})

const PIECES = [
  ...String.raw`{{ }} {% %} {# #} {%- -%} {%+ ' " \ ( ) [ ] { } . , : | = == + - * ** / // % ~ <`.split(
    ' ',
  ),
  ...'if endif elif else for endfor in set endset macro endmacro call endcall with endwith'.split(
    ' ',
  ),
  ...'filter endfilter raw endraw generation endgeneration break continue recursive is'.split(' '),
  ...'not and or a b m loop messages range 1 0 9 1.5 true none upper length join map'.split(' '),
  ...'select tojson sort first format trim defined'.split(' '),
  "'x'",
  '\n',
]

function survives(source: string): void {
  const variables = { messages: [{ role: 'user', content: 'x' }], a: [1, 2], b: { k: 'v' } }
  const before = structuredClone(variables)
  try {
    renderTemplate(parseTemplate(source), variables, { limits: { steps: 20_000, characters: 1e6 } })
  } catch (error) {
    assert.ok(error instanceof ConfigError || error instanceof InputError, String(error))
  }
  assert.deepEqual(variables, before)
}

describe('any text', () => {
  test('renders or fails with one of our errors, and changes nothing', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), survives), { numRuns: 500 })
  })

  test('made of the pieces of templates does so too', () => {
    const soup = fc.array(fc.constantFrom(...PIECES), { maxLength: 40 })
    fc.assert(
      fc.property(soup, (pieces) => survives(pieces.join(' '))),
      { numRuns: rounds(500, 2000) },
    )
    fc.assert(
      fc.property(soup, (pieces) => survives(`{{ ${pieces.join(' ')} }}`)),
      { numRuns: rounds(500, 2000) },
    )
  })

  test('without tags is its own rendering, less one line end', () => {
    const plain = fc.string().filter((text) => !text.includes('{'))
    fc.assert(
      fc.property(plain, (text) => {
        assert.equal(render(text), text.replace(/\r\n?/g, '\n').replace(/\n$/, ''))
      }),
    )
  })

  test('comes back from tojson as it was', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const text = render('{{ v|tojson }}{{ "" }}', { v: value })
        assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)))
      }),
    )
  })
})
