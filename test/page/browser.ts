/** A real Chromium with one page in it, which notes everything that a good page never does. */
import { existsSync } from 'node:fs'
import { chromium, type Browser, type Page } from 'playwright-core'

export type OpenPage = {
  readonly page: Page
  /** What went wrong so far, in any tab: errors of scripts, refusals of the page's policy, requests to other places. */
  readonly faults: readonly string[]
  close(): Promise<void>
}

const DEFAULT = '/usr/bin/chromium'

/** The Chromium of this machine. Throws with what to do where there is none. */
export function chromiumPath(environment: NodeJS.ProcessEnv): string {
  const path = environment['CHROMIUM'] ?? DEFAULT
  if (existsSync(path)) return path
  throw new Error(`test:page: there is no Chromium at ${path}; name one by CHROMIUM=/path/to/it.`)
}

/** `scale`: pixels of a picture of the page to one of the page. */
export async function openPage(
  url: string,
  { executablePath, scale }: { readonly executablePath: string; readonly scale: number },
): Promise<OpenPage> {
  // Chromium's own sandbox does not start for root, which containers run as.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : []
  const browser: Browser = await chromium.launch({ executablePath, args })
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    deviceScaleFactor: scale,
    acceptDownloads: true,
  })
  context.setDefaultTimeout(300_000)
  const faults: string[] = []
  context.on('page', (page) => noteFaults(page, new URL(url).origin, faults))
  const page = await context.newPage()
  await page.goto(url)
  return { page, faults, close: () => browser.close() }
}

function noteFaults(page: Page, home: string, faults: string[]): void {
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`))
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('console', (message) => {
    // An answer with an error status is noted by Chromium itself; the page shows what it means.
    const isStatus = message.text().startsWith('Failed to load resource: the server responded')
    if (message.type() === 'error' && !isStatus) faults.push(`console: ${message.text()}`)
  })
  page.on('request', (request) => {
    const { origin, protocol } = new URL(request.url())
    const isLocal = protocol === 'data:' || protocol === 'blob:'
    if (!isLocal && origin !== home) faults.push(`request: ${request.url()}`)
  })
}
