/** How answers are asked for: the form of the answer, how it is drawn, and what the model is told before. */
import type { JSX } from 'preact'
import { useId } from 'preact/hooks'
import { storedKey } from '../api/client.ts'
import {
  DEFAULT_SETTINGS,
  NUMBER_RULES,
  numberFault,
  type AnswerForm,
  type Numbers,
} from '../state/settings.ts'
import { SchemaEditor } from './schema-editor.tsx'
import { useChat } from './use-chat.ts'

export function SettingsPanel(): JSX.Element {
  const { chat, state } = useChat()
  const { settings, models } = state
  return (
    <div class="settings">
      {models.length > 1 && (
        <label class="field">
          Model
          <select
            value={chat.model?.id}
            onChange={(event) => chat.setSettings({ model: event.currentTarget.value })}
          >
            {models.map(({ id }) => (
              <option key={id}>{id}</option>
            ))}
          </select>
        </label>
      )}
      <AnswerForms />
      <fieldset>
        <legend>Sampling</legend>
        <div class="numbers">
          {(Object.keys(NUMBER_RULES) as (keyof Numbers)[]).map((name) => (
            <NumberField key={name} name={name} />
          ))}
        </div>
        <label class="field">
          Stop before
          <textarea
            rows={2}
            placeholder="one text a line"
            value={settings.stop}
            onInput={(event) => chat.setSettings({ stop: event.currentTarget.value })}
          />
        </label>
      </fieldset>
      <label class="field">
        Said to the model before anything else
        <textarea
          rows={3}
          placeholder="Answer in one sentence."
          value={settings.system}
          onInput={(event) => chat.setSettings({ system: event.currentTarget.value })}
        />
      </label>
      <p class="editor-row">
        {storedKey() !== null && (
          <button type="button" class="quiet" onClick={() => void chat.useKey(null)}>
            Forget the key
          </button>
        )}
        <button type="button" class="quiet" onClick={() => chat.setSettings(DEFAULT_SETTINGS)}>
          Reset
        </button>
      </p>
    </div>
  )
}

const FORMS: { readonly [F in AnswerForm]: string } = {
  text: 'Free text',
  json_object: 'Any JSON object',
  json_schema: 'JSON of a schema',
  choice: 'One of some texts',
  regex: 'What a pattern matches',
}

function AnswerForms(): JSX.Element {
  const { chat, state } = useChat()
  const { form, choices, regex } = state.settings
  return (
    <fieldset>
      <legend>The answer</legend>
      <label class="field">
        Form
        <select
          value={form}
          onChange={(event) => {
            chat.setSettings({ form: event.currentTarget.value as AnswerForm })
          }}
        >
          {Object.entries(FORMS).map(([name, label]) => (
            <option key={name} value={name}>
              {label}
            </option>
          ))}
        </select>
      </label>
      {form === 'json_schema' && <SchemaEditor />}
      {form === 'choice' && (
        <label class="field">
          Texts, one a line
          <textarea
            rows={4}
            value={choices}
            onInput={(event) => chat.setSettings({ choices: event.currentTarget.value })}
          />
        </label>
      )}
      {form === 'regex' && (
        <label class="field">
          Pattern of the whole answer
          <input
            type="text"
            class="code"
            spellcheck={false}
            value={regex}
            onInput={(event) => chat.setSettings({ regex: event.currentTarget.value })}
          />
        </label>
      )}
    </fieldset>
  )
}

function NumberField({ name }: { readonly name: keyof Numbers }): JSX.Element {
  const { chat, state } = useChat()
  const id = useId()
  const rule = NUMBER_RULES[name]
  const value = state.settings.numbers[name]
  const fault = numberFault(value, rule)
  return (
    <label class="field">
      {rule.label}
      <input
        type="text"
        inputMode="decimal"
        placeholder={name === 'seed' ? 'new each time' : 'default'}
        value={value}
        aria-invalid={fault !== null}
        aria-describedby={id}
        onInput={(event) => {
          const numbers = { ...state.settings.numbers, [name]: event.currentTarget.value }
          chat.setSettings({ numbers })
        }}
      />
      <small id={id} class={fault === null ? 'hint' : 'fault'}>
        {fault ?? rule.about}
      </small>
    </label>
  )
}
