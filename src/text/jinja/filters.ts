/** The filters that stand after `|`, by name: Jinja's own, with `tojson` as transformers replaces it. */
import type { Filter } from './environment.ts'
import { fail } from './failure.ts'
import { NUMBER_FILTERS } from './filters-number.ts'
import { SEQUENCE_FILTERS } from './filters-sequence.ts'
import { TEXT_FILTERS } from './filters-text.ts'

/** Known to Jinja, useless in a prompt: random, or made for web pages. They fail when they run. */
const UNSUPPORTED = ['random', 'urlize', 'wordwrap', 'pprint']

export const FILTERS: ReadonlyMap<string, Filter> = new Map<string, Filter>([
  ...TEXT_FILTERS,
  ...NUMBER_FILTERS,
  ...SEQUENCE_FILTERS,
  ...UNSUPPORTED.map((name): [string, Filter] => [
    name,
    () => fail('Unsupported', `the filter '${name}' is not supported in chat templates`),
  ]),
])
