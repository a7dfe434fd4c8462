/** Chat templates that show tools, one for each way in which models write calls; content is a text or a list of parts. */
import type { ToolFormat } from '../../src/families/tool-format.ts'

const CONTENT = `{% macro words(content) %}{% if content is string %}{{ content }}{% else %}{% for part in content %}{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}{% endmacro %}`

const HERMES = `${CONTENT}{% if tools %}system: call one of <tools>{% for tool in tools %}
{{ tool | tojson }}{% endfor %}
</tools> as <tool_call>{"name": NAME, "arguments": OBJECT}</tool_call>
{% endif %}{% for message in messages %}{{ message.role }}: {{ words(message.content) }}{% for call in message.tool_calls or [] %}
<tool_call>
{{ {'name': call.function.name, 'arguments': call.function.arguments} | tojson }}
</tool_call>{% endfor %}
{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}`

const MISTRAL = `${CONTENT}{% if tools %}[AVAILABLE_TOOLS] {{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}{% for message in messages %}{% if message.tool_calls %}[TOOL_CALLS] [{% for call in message.tool_calls %}{% if call.id | length != 9 %}{{ raise_exception('ids have nine characters') }}{% endif %}{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}, "id": "{{ call.id }}"}{% if not loop.last %}, {% endif %}{% endfor %}]{% elif message.role == 'tool' %}[TOOL_RESULTS] {"content": {{ message.content | tojson }}, "call_id": "{{ message.tool_call_id }}"}[/TOOL_RESULTS]{% elif message.role == 'user' %}[INST] {{ words(message.content) }}[/INST]{% else %}{{ words(message.content) }}{% endif %}{% endfor %}`

const LLAMA3 = `${CONTENT}{% if tools %}system: answer with {"name": NAME, "parameters": OBJECT}
{% for tool in tools %}{{ tool | tojson(indent=2) }}
{% endfor %}{% endif %}{% for message in messages %}{{ 'ipython' if message.role == 'tool' else message.role }}: {% if message.tool_calls %}{% if message.tool_calls | length > 1 %}{{ raise_exception('one call at a time') }}{% endif %}{"name": "{{ message.tool_calls[0].function.name }}", "parameters": {{ message.tool_calls[0].function.arguments | tojson }}}{% else %}{{ words(message.content) }}{% endif %}
{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}`

export const TOOL_TEMPLATES: { readonly [F in ToolFormat]: string } = {
  hermes: HERMES,
  mistral: MISTRAL,
  llama3: LLAMA3,
}
