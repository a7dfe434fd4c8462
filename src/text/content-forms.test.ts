/** What a template does with a text and with a list of parts tells which of the two it wants. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contentForms, type ContentForm } from './content-forms.ts'

/** A template with `content` between a role and its end. */
const around = (content: string) =>
  `{% for m in messages %}{{ m.role }}:${content}|{% endfor %}{% if add_generation_prompt %}a:{% endif %}`

const WALK =
  "{% for part in m['content'] | selectattr('type', 'equalto', 'text') %}{{ part.text }}{% endfor %}"
const LOOK = `{% if m.content is string %}{{ m.content }}{% else %}${WALK}{% endif %}`

function all(form: ContentForm) {
  return { system: form, user: form, assistant: form }
}

const CASES: readonly (readonly [string, string, ContentForm])[] = [
  ['prints it', '{{ m.content }}', 'text'],
  ['trims it', "{{ m['content'] | trim }}", 'text'],
  ['joins it with text', "{{ '<s>' + m.content + '</s>' }}", 'text'],
  ['prints it as JSON', '{{ m.content | tojson }}', 'text'],
  ['calls a method of texts', '{{ m.content.strip() }}', 'text'],
  ['walks parts of a type', WALK, 'parts'],
  ['takes the first part', "{{ m.content[0]['text'] + ' ' }}", 'parts'],
  [
    'takes whatever is no text for a picture',
    "{% for part in m.content %}{% if part.type == 'text' %}{{ part.text }}{% else %}<image>{% endif %}{% endfor %}",
    'parts',
  ],
  ['looks which it is', LOOK, 'asGiven'],
  ['shows neither', '', 'asGiven'],
]

for (const [name, content, form] of CASES) {
  test(`a template that ${name}: ${form}`, () => {
    assert.deepEqual(contentForms(around(content)), all(form))
  })
}

test('each role has its own form', () => {
  const template = around(
    `{% if m.role == 'system' %}{{ m.content | trim }}{% else %}${WALK}{% endif %}`,
  )
  assert.deepEqual(contentForms(template), { system: 'text', user: 'parts', assistant: 'parts' })
})

test('a template that refuses a role, wants roles to alternate, or reads its tokens, is asked as it wants', () => {
  const strict = `{{ bos_token + '' }}{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('alternate') }}{% endif %}${WALK}{{ eos_token + '' }}{% endfor %}`
  assert.deepEqual(contentForms(strict), { system: 'asGiven', user: 'parts', assistant: 'parts' })
})

test('a template at fault, or without an end, is not told here', () => {
  for (const template of [
    '{% for m in messages %}',
    '{{ raise_exception("no") }}',
    '{% for i in range(10 ** 9) %}{% endfor %}{{ messages[0].content }}',
  ]) {
    assert.deepEqual(contentForms(template), all('asGiven'))
  }
})
