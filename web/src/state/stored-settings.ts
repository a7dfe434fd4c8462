/** Settings between visits; the last conversation's are the next one's. */
import { keepText, keptText } from './browser-storage.ts'
import { DEFAULT_SETTINGS, type Settings } from './settings.ts'

const KEY = 'llava.settings'

export function loadSettings(): Settings {
  const stored = keptText('local', KEY)
  if (stored === null) return DEFAULT_SETTINGS
  try {
    const settings = JSON.parse(stored) as Partial<Settings>
    return {
      ...DEFAULT_SETTINGS,
      ...settings,
      numbers: { ...DEFAULT_SETTINGS.numbers, ...settings.numbers },
    }
  } catch {
    // Written by hand or by another version: as if there were none.
    return DEFAULT_SETTINGS
  }
}

export function storeSettings(settings: Settings): void {
  keepText('local', KEY, JSON.stringify(settings))
}
