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
  return { system: form, user: form, assistant: form, tool: form }
}

const CASES: readonly (readonly [string, string, ContentForm])[] = [
  ['prints it', '{{ m.content }}', 'text'],
  ['trims it', "{{ m['content'] | trim }}", 'text'],
  ['joins it with text', "{{ '<s>' + m.content + '</s>' }}", 'text'],
  ['prints it as JSON', '{{ m.content | tojson }}', 'text'],
  ['calls a method of texts', '{{ m.content.strip() }}', 'text'],
  ['writes it in capitals', '{{ m.content | upper }}', 'text'],
  ['writes it in small letters', '{{ m.content.lower() }}', 'text'],
  ['writes it as a heading', '{{ m.content | capitalize }}', 'text'],
  ['cuts it', '{{ m.content[:12] }}', 'text'],
  ['walks parts of a type', WALK, 'parts'],
  ['takes the first part', "{{ m.content[0]['text'] + ' ' }}", 'parts'],
  ['writes parts in capitals', "{{ m.content | map(attribute='text') | join | upper }}", 'parts'],
  [
    'takes whatever is no text for a picture',
    "{% for part in m.content %}{% if part.type == 'text' %}{{ part.text }}{% else %}<image>{% endif %}{% endfor %}",
    'parts',
  ],
  ['looks which it is', LOOK, 'asGiven'],
]

for (const [name, content, form] of CASES) {
  test(`a template that ${name}: ${form}`, () => {
    assert.deepEqual(contentForms(around(content), 'text'), all(form))
    assert.deepEqual(contentForms(around(content), 'parts'), all(form))
  })
}

test('each role has its own form', () => {
  const template = around(
    `{% if m.role == 'system' or m.role == 'tool' %}{{ m.content | trim }}{% else %}${WALK}{% endif %}`,
  )
  assert.deepEqual(contentForms(template, 'parts'), {
    system: 'text',
    user: 'parts',
    assistant: 'parts',
    tool: 'text',
  })
})

test('a template that refuses a role, wants roles to alternate, or reads its tokens, is asked as it wants', () => {
  const strict = `{{ bos_token + '' }}{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('alternate') }}{% endif %}${WALK}{{ eos_token + '' }}{% endfor %}`
  const forms = contentForms(strict, 'text')
  assert.deepEqual(forms, { system: 'text', user: 'parts', assistant: 'parts', tool: 'parts' })
})

/** What must not be so, by the form that the template reads. */
const WANTED = {
  'a system message first': {
    text: "messages[0].role != 'system'",
    parts: "messages[0].role != 'system'",
  },
  'a picture in the question': {
    text: "'<image>' not in ASKED.content",
    parts: "'image' not in (ASKED.content | map(attribute='type'))",
  },
}
for (const [name, faults] of Object.entries(WANTED)) {
  test(`a template that wants ${name} is shown one`, () => {
    for (const [form, content] of [
      ['text', '{{ m.content }}'],
      ['parts', WALK],
    ] as const) {
      const asked = "(messages | selectattr('role', 'equalto', 'user') | first)"
      const fault = faults[form].replace('ASKED', asked)
      const strict = `{% if ${fault} %}{{ raise_exception('no') }}{% endif %}${around(content)}`
      assert.deepEqual(contentForms(strict, form === 'text' ? 'parts' : 'text'), all(form))
    }
  })
}

test('the result of a tool stands behind its call, where templates want one', () => {
  const strict = (content: string) =>
    around(
      `{% if m.role == 'tool' %}{% set call = messages[loop.index0 - 1].tool_calls[0] %}{% if not tools or call.id != m.tool_call_id or m.tool_call_id | length != 9 %}{{ raise_exception('no call') }}{% endif %}${content}{% else %}{{ m.content }}{% endif %}`,
    )
  assert.deepEqual(contentForms(strict(WALK), 'text'), { ...all('text'), tool: 'parts' })
  assert.deepEqual(contentForms(strict(LOOK), 'text'), { ...all('text'), tool: 'asGiven' })
})

test('a template that shows neither, is at fault, or without an end, has the usual form, and is not told here', () => {
  for (const template of [
    around(''),
    '{% for m in messages %}',
    '{{ raise_exception("no") }}',
    '{% for i in range(10 ** 9) %}{% endfor %}{{ messages[0].content }}',
  ]) {
    for (const usual of ['text', 'parts'] as const) {
      assert.deepEqual(contentForms(template, usual), all(usual))
    }
  }
})
