import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { strftime } from './strftime.ts'

/** Friday. */
const DATE = new Date(2024, 6, 26, 9, 5, 7)

describe('strftime', () => {
  test('writes every field as C does', () => {
    assert.equal(
      strftime(
        DATE,
        '%a %A %b %B %C %d %D %e %F %g %G %H %I %j %k %l %m %M %p %P %R %S %T %u %U %V %w %W %y %Y %%',
      ),
      'Fri Friday Jul July 20 26 07/26/24 26 2024-07-26 24 2024 09 09 208  9  9 07 05 AM am 09:05 07 09:05:07 5 29 30 5 30 24 2024 %',
    )
    assert.equal(
      strftime(DATE, '%c|%x|%X|%r'),
      'Fri Jul 26 09:05:07 2024|07/26/24|09:05:07|09:05:07 AM',
    )
  })

  test('obeys the flags of glibc', () => {
    assert.equal(strftime(DATE, '%-d %-m %-H %_H %^a %#p %10Y'), '26 7 9  9 FRI am 0000002024')
  })

  test('keeps what it does not know', () => {
    assert.equal(strftime(DATE, '%E %q %'), '%E %q %')
  })

  test('counts ISO weeks over the turn of the year', () => {
    assert.equal(strftime(new Date(2021, 0, 3), '%G-%V'), '2020-53')
    assert.equal(strftime(new Date(2024, 11, 30), '%G-%V'), '2025-01')
    assert.equal(strftime(new Date(2024, 11, 31), '%j'), '366')
  })
})
