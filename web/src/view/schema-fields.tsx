/** The fields of an answer, one a row. */
import type { JSX } from 'preact'
import { FIELD_KINDS, type FieldKind, type SchemaField } from '../state/schema-fields.ts'
import { Icon, IconButton } from './icon.tsx'

type SchemaFieldsProps = {
  readonly fields: readonly SchemaField[]
  readonly onChange: (fields: readonly SchemaField[]) => void
}

export function SchemaFields({ fields, onChange }: SchemaFieldsProps): JSX.Element {
  const names = fields.map(({ name }) => name)
  const replace = (at: number, change: Partial<SchemaField>) =>
    onChange(fields.map((field, i) => (i === at ? { ...field, ...change } : field)))
  return (
    <>
      <ol class="schema-fields">
        {fields.map((field, i) => (
          <li key={i}>
            <FieldRow
              field={field}
              others={names.filter((_, other) => other !== i)}
              onChange={(change) => replace(i, change)}
              onRemove={() => onChange(fields.filter((_, other) => other !== i))}
            />
          </li>
        ))}
      </ol>
      <button
        type="button"
        class="quiet add-field"
        onClick={() => onChange([...fields, { name: freeName(names), kind: 'text', choices: [] }])}
      >
        <Icon name="add" /> Field
      </button>
    </>
  )
}

type FieldRowProps = {
  readonly field: SchemaField
  /** Names that are taken. */
  readonly others: readonly string[]
  readonly onChange: (change: Partial<SchemaField>) => void
  readonly onRemove: () => void
}

function FieldRow({ field, others, onChange, onRemove }: FieldRowProps): JSX.Element {
  const { name, kind, choices } = field
  return (
    <>
      <input
        type="text"
        class="code"
        aria-label="Name of the field"
        spellcheck={false}
        value={name}
        onInput={(event) => {
          const next = event.currentTarget.value
          // Two of one name would become one: what makes it that is not taken.
          if (!others.includes(next)) onChange({ name: next })
          else event.currentTarget.value = name
        }}
      />
      <select
        aria-label={`Kind of ${name}`}
        value={kind}
        onChange={(event) => {
          const next = event.currentTarget.value as FieldKind
          onChange({ kind: next, choices: next === 'choice' ? ['yes', 'no'] : [] })
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
          // After one is removed another field stands in this row, with choices of its own.
          key={name}
          defaultValue={choices.join(', ')}
          onChange={(event) => {
            const next = event.currentTarget.value.split(',').map((one) => one.trim())
            const some = next.filter((one) => one !== '')
            if (some.length > 0) onChange({ choices: some })
          }}
        />
      )}
    </>
  )
}

function freeName(names: readonly string[]): string {
  for (let i = names.length + 1; ; i++) {
    const name = `field${i}`
    if (!names.includes(name)) return name
  }
}
