/** HTML escaping, as `escape`, `forceescape` and marked texts use it. */
import { textOf, type Markup } from './values.ts'

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  "'": '&#39;',
  '"': '&#34;',
}

/** The text with its five special characters as entities; one that is already marked stays. */
export function escapeHtml(value: string | Markup): string {
  return typeof value === 'string'
    ? value.replace(/[&<>'"]/g, (c) => ENTITIES[c] as string)
    : textOf(value)
}
