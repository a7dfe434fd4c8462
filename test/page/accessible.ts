/** What those who do not see the page, or see it on a phone, depend on. */
import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'

/** Roles of things that are used; each needs a name to be read out. */
const USED = ['button', 'textbox', 'combobox', 'checkbox', 'link', 'image', 'dialog', 'meter']

/** Throws for what the browser's own accessibility tree shows without a name. */
export async function assertNamed(page: Page): Promise<void> {
  const session = await page.context().newCDPSession(page)
  const { nodes } = await session.send('Accessibility.getFullAXTree')
  await session.detach()
  const used = nodes.filter(({ role, ignored }) => !ignored && USED.includes(String(role?.value)))
  assert.ok(used.length > 10, 'the tree is empty')
  const nameless = used.filter(({ name }) => String(name?.value ?? '').trim() === '')
  assert.deepEqual(
    nameless.map(({ role, backendDOMNodeId }) => `${String(role?.value)} ${backendDOMNodeId}`),
    [],
  )
}

export async function assertNoSidewaysScrolling(page: Page): Promise<void> {
  const [content, width] = await page.evaluate(() => [
    Math.max(document.documentElement.scrollWidth, document.body.scrollWidth),
    innerWidth,
  ])
  assert.ok((content ?? 0) <= (width ?? 0), `${content} pixels in a window of ${width}`)
}
