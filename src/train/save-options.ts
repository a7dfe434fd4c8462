/** What `trainer.save` may be told. */
import { checkOptions } from '../core/check-options.ts'
import { ConfigError } from '../core/errors.ts'
import { REPLACED, type Replaced } from '../weights/check-replaced-node.ts'

export type SaveOptions = {
  /** Markdown, for the model card. */
  readonly notes?: string
  /** Of what is in the folder. */
  readonly replaces?: Replaced
}

/** With defaults. Throws InputError for unknown names, ConfigError for values: what is replaced is deleted. */
export function parseSaveOptions(options: SaveOptions): Required<SaveOptions> {
  checkOptions('trainer.save', options, ['notes', 'replaces'])
  const { notes = '', replaces = 'alike' } = options
  if (REPLACED.includes(replaces)) return { notes, replaces }
  throw new ConfigError(
    'CONFIG_OPTION',
    `trainer.save: replaces should be one of ${REPLACED.join(', ')}, ${String(replaces)} came; leave it out to replace a saved model alone.`,
  )
}
