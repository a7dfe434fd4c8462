/** Why a question cannot be sent with the settings as they stand. */
import { schemaFaults } from './schema-faults.ts'
import { fieldFault } from './schema-fields.ts'
import { lines, NUMBER_RULES, numberFault, type Numbers, type Settings } from './settings.ts'

export function settingsFault(settings: Settings): string | null {
  const names = (Object.keys(NUMBER_RULES) as (keyof Numbers)[]).filter(
    (name) => numberFault(settings.numbers[name], NUMBER_RULES[name]) !== null,
  )
  if (names.length > 0) {
    return `Settings: ${names.map((name) => NUMBER_RULES[name].label.toLowerCase()).join(', ')} cannot be sent as it stands.`
  }
  if (settings.form === 'json_schema') return schemaFault(settings)
  if (settings.form === 'choice' && lines(settings.choices).length === 0) {
    return 'Settings: there is no text to choose from.'
  }
  return settings.form === 'regex' && settings.regex === ''
    ? 'Settings: the pattern of the answer is empty.'
    : null
}

function schemaFault({ schema, fields }: Settings): string | null {
  if (schemaFaults(schema).length > 0) return 'Settings: the schema of the answer is not valid yet.'
  return fields?.some((field) => fieldFault(field, fields) !== null)
    ? 'Settings: a field of the answer cannot be sent as it stands.'
    : null
}
