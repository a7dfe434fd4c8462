/** The fields of an answer, one a row. */
import type { JSX } from 'preact'
import { useId } from 'preact/hooks'
import {
  FIELD_KINDS,
  fieldFault,
  type FieldKind,
  type SchemaField,
} from '../state/schema-fields.ts'
import { newId } from '../state/turns.ts'
import { Icon, IconButton } from './icon.tsx'

type SchemaFieldsProps = {
  readonly fields: readonly SchemaField[]
  readonly onChange: (fields: readonly SchemaField[]) => void
}

export function SchemaFields({ fields, onChange }: SchemaFieldsProps): JSX.Element {
  const replace = (changed: SchemaField) =>
    onChange(fields.map((field) => (field.id === changed.id ? changed : field)))
  return (
    <>
      <ol class="schema-fields">
        {fields.map((field) => (
          <FieldRow
            key={field.id}
            field={field}
            fault={fieldFault(field, fields)}
            onChange={replace}
            onRemove={() => onChange(fields.filter(({ id }) => id !== field.id))}
          />
        ))}
      </ol>
      <button
        type="button"
        class="quiet add-field"
        onClick={() => onChange([...fields, newField(fields)])}
      >
        <Icon name="add" /> Field
      </button>
    </>
  )
}

type FieldRowProps = {
  readonly field: SchemaField
  readonly fault: string | null
  readonly onChange: (changed: SchemaField) => void
  readonly onRemove: () => void
}

function FieldRow({ field, fault, onChange, onRemove }: FieldRowProps): JSX.Element {
  const { name, kind, choices } = field
  const id = useId()
  const described = fault === null ? {} : { 'aria-invalid': true, 'aria-describedby': id }
  return (
    <li>
      <input
        type="text"
        class="code"
        aria-label="Name of the field"
        spellcheck={false}
        value={name}
        {...described}
        onInput={(event) => onChange({ ...field, name: event.currentTarget.value })}
      />
      <select
        aria-label={`Kind of ${name}`}
        value={kind}
        onChange={(event) => {
          const next = event.currentTarget.value as FieldKind
          onChange({ ...field, kind: next, choices: next === 'choice' ? 'yes, no' : '' })
        }}
      >
        {Object.entries(FIELD_KINDS).map(([value, label]) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
      </select>
      <IconButton icon="close" label={`Remove ${name}`} onClick={onRemove} />
      {kind === 'choice' && (
        <input
          type="text"
          class="field-choices"
          aria-label={`What ${name} may be, with commas between`}
          value={choices}
          {...described}
          onInput={(event) => onChange({ ...field, choices: event.currentTarget.value })}
        />
      )}
      {fault !== null && (
        <p id={id} class="fault" role="status">
          {fault}
        </p>
      )}
    </li>
  )
}

function newField(fields: readonly SchemaField[]): SchemaField {
  const names = fields.map(({ name }) => name)
  let count = fields.length + 1
  while (names.includes(`field${count}`)) count++
  return { id: newId(), name: `field${count}`, kind: 'text', choices: '' }
}
