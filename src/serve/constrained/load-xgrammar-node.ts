/**
 * XGrammar's wasm build, made to load in Node.
 *
 * The package says that it is an ES module and ships a UMD file, which has neither `require` nor `__filename` then. It is
 * read as text and called with what a CommonJS module gets. A console of its own is the only way to its error texts: what it
 * throws says `Aborted()` alone.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type * as XGrammar from '@mlc-ai/web-xgrammar'

export type XGrammarModule = typeof XGrammar

/** `onText` hears warnings and errors, line by line. */
export function loadXGrammar(onText: (line: string) => void): XGrammarModule {
  const file = fileURLToPath(import.meta.resolve('@mlc-ai/web-xgrammar'))
  const hear = (...words: readonly unknown[]) => onText(words.map(String).join(' '))
  const console = { log: hear, warn: hear, error: hear, info: hear, debug: hear }
  const module = { exports: {} }
  const names = ['exports', 'module', 'require', '__filename', 'console']
  const load = new Function(...names, readFileSync(file, 'utf8'))
  load.call(module, module.exports, module, createRequire(file), file, console)
  return module.exports as XGrammarModule
}
