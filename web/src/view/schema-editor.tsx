/** A JSON Schema, as a list of fields or as text; what is wrong with it is said while it is typed. */
import type { JSX } from 'preact'
import { useId, useMemo, useState } from 'preact/hooks'
import { ApiFailure } from '../api/client.ts'
import { checkSchemaWithServer } from '../api/check-schema.ts'
import { schemaFaults } from '../state/schema-faults.ts'
import {
  fieldFault,
  fieldsOfSchema,
  namesPutFirst,
  schemaOfFields,
  type SchemaField,
} from '../state/schema-fields.ts'
import { SchemaFields } from './schema-fields.tsx'
import { useChat } from './use-chat.ts'

export function SchemaEditor(): JSX.Element {
  const { chat, state } = useChat()
  const { schema } = state.settings
  const faults = schemaFaults(schema)
  // They keep their identities as long as nothing else is written.
  const read = useMemo(() => (faults.length === 0 ? fieldsOfSchema(schema) : null), [schema])
  const fields = state.settings.fields ?? read
  const isSound = faults.length === 0 && !hasFault(fields ?? [])
  const [isText, setText] = useState(fields === null)
  const [verdict, setVerdict] = useState<string | null>(null)
  const change = (text: string) => {
    setVerdict(null)
    chat.setSettings({ schema: text, fields: null })
  }
  /** The schema stays that of the last fields that had no faults. */
  const changeFields = (next: readonly SchemaField[]) => {
    setVerdict(null)
    chat.setSettings({ fields: next, ...(!hasFault(next) && { schema: schemaOfFields(next) }) })
  }
  const showsText = isText || fields === null
  return (
    <div class="schema">
      <div class="tabs" role="group" aria-label="How the schema is shown">
        <button
          type="button"
          aria-pressed={!showsText}
          disabled={fields === null}
          onClick={() => setText(false)}
        >
          Fields
        </button>
        <button
          type="button"
          aria-pressed={showsText}
          disabled={!showsText && !isSound}
          onClick={() => setText(true)}
        >
          JSON Schema
        </button>
      </div>
      {showsText ? (
        <SchemaText schema={schema} onChange={change} />
      ) : (
        <SchemaFields fields={fields} onChange={changeFields} />
      )}
      {showsText && fields === null && faults.length === 0 && (
        <p class="hint">More than a list of fields: it is edited as text.</p>
      )}
      {isSound && <PutFirst schema={schema} />}
      <p class="editor-row">
        {verdict !== null && (
          <span class={verdict === TAKEN ? 'hint' : 'fault'} role="status">
            {verdict}
          </span>
        )}
        {showsText && (
          <button
            type="button"
            class="quiet"
            disabled={faults.length > 0}
            onClick={() => change(JSON.stringify(JSON.parse(schema), null, 2))}
          >
            Format
          </button>
        )}
        <button
          type="button"
          class="quiet"
          disabled={!isSound || !chat.model}
          onClick={() => void ask().then(setVerdict)}
        >
          Check with the server
        </button>
      </p>
    </div>
  )

  /** Which keywords can be enforced only the server knows. */
  async function ask(): Promise<string> {
    try {
      await checkSchemaWithServer(chat.model?.id ?? '', JSON.parse(schema) as object)
      return TAKEN
    } catch (error) {
      if (error instanceof ApiFailure) return error.message
      throw error
    }
  }
}

function hasFault(fields: readonly SchemaField[]): boolean {
  return fields.some((field) => fieldFault(field, fields) !== null)
}

function PutFirst({ schema }: { readonly schema: string }): JSX.Element | null {
  const names = namesPutFirst(schema)
  if (names.length === 0) return null
  return (
    <p class="hint" role="status">
      {names.join(', ')} will come first in the answer, whatever the place here: names that are
      whole numbers are put before the others. A letter in the name keeps its place.
    </p>
  )
}

const TAKEN = 'The server takes it.'

type SchemaTextProps = {
  readonly schema: string
  readonly onChange: (schema: string) => void
}

function SchemaText({ schema, onChange }: SchemaTextProps): JSX.Element {
  const id = useId()
  const faults = schemaFaults(schema)
  return (
    <>
      <textarea
        class="code schema-text"
        rows={Math.max(8, Math.min(18, schema.split('\n').length + 1))}
        spellcheck={false}
        aria-label="JSON Schema"
        aria-invalid={faults.length > 0}
        aria-describedby={id}
        value={schema}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
      <ul id={id} class="faults" role="status">
        {faults.slice(0, 5).map(({ place, message }) => (
          <li key={place + message}>
            <code>{place}</code>: {message}
          </li>
        ))}
      </ul>
    </>
  )
}
