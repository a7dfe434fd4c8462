import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { mergeTurns, type TurnOrigin } from './merge-turns.ts'
import type { Turn } from './turns.ts'

function turn(id: string, text = id): Turn {
  return { role: 'user', id, text, media: [] }
}

function turns(ids: string): Turn[] {
  return [...ids].map((id) => turn(id))
}

function ids(some: readonly Turn[]): string {
  return some.map(({ id }) => id).join('')
}

/** Letters of turns that were read, written and removed. */
function origins(read: string, written = '', removed = ''): Map<string, TurnOrigin> {
  const all = [
    ...[...read].map((id) => [id, 'read'] as const),
    ...[...written].map((id) => [id, 'written'] as const),
    ...[...removed].map((id) => [id, 'removed'] as const),
  ]
  return new Map(all)
}

test('what two tabs add to the same turns is all kept, whichever is stored first', () => {
  assert.equal(ids(mergeTurns(turns('abCD'), turns('abXY'), origins('ab'))), 'abXYCD')
  assert.equal(ids(mergeTurns(turns('abXY'), turns('abCD'), origins('ab'))), 'abCDXY')
  assert.equal(ids(mergeTurns(turns('abCD'), turns('abCDXY'), origins('abCD'))), 'abCDXY')
})

test('asking again takes away what this tab has seen, not what another added meanwhile', () => {
  assert.equal(ids(mergeTurns(turns('abcdEF'), turns('aX'), origins('a', '', 'bcd'))), 'aXEF')
  assert.equal(ids(mergeTurns(turns('abEF'), turns('X'), origins('', '', 'ab'))), 'XEF')
})

test('what another tab took away does not come back, and nothing new is lost with it', () => {
  assert.equal(ids(mergeTurns(turns('a'), turns('abcd'), origins('ab', 'cd'))), 'a')
  assert.equal(ids(mergeTurns(turns('aZ'), turns('abcdX'), origins('abcd'))), 'aZX')
})

test('an answer is as the tab that writes it has it; another shows what is stored', () => {
  const stored = [turn('a', 'half')]
  const mine = [turn('a', 'half and more')]
  assert.equal(mergeTurns(stored, mine, origins('', 'a'))[0]?.text, 'half and more')
  assert.equal(mergeTurns(mine, stored, origins('a'))[0]?.text, 'half and more')
})

test('tabs that add in any order, with or without having heard of each other, lose nothing', () => {
  const steps = fc.array(fc.record({ tab: fc.nat(2), hears: fc.boolean() }), { maxLength: 12 })
  fc.assert(
    fc.property(steps, (some) => {
      let stored: Turn[] = []
      const tabs = [0, 1, 2].map(() => ({ mine: [] as Turn[], origins: origins('') }))
      for (const [i, { tab: at, hears }] of some.entries()) {
        const tab = tabs[at]!
        const learn = (turns: readonly Turn[]) => {
          for (const { id } of turns) if (!tab.origins.has(id)) tab.origins.set(id, 'read')
        }
        if (hears) {
          tab.mine = mergeTurns(stored, tab.mine, tab.origins)
          learn(tab.mine)
        }
        stored = mergeTurns(stored, [...tab.mine, turn(String(i))], tab.origins)
        tab.mine = stored
        learn(stored)
      }
      assert.deepEqual(new Set(stored.map(({ id }) => id)), new Set(some.map((_, i) => String(i))))
      assert.equal(stored.length, some.length)
    }),
  )
})
