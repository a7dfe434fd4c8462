/** An answer in JSON: set out and coloured once it is whole, as it comes until then. */
import type { ComponentChildren, JSX } from 'preact'
import { useMemo } from 'preact/hooks'

export function JsonText({ text }: { readonly text: string }): JSX.Element {
  const shown = useMemo(() => colours(setOut(text)), [text])
  return (
    <pre class="json" tabIndex={0}>
      <code>{shown}</code>
    </pre>
  )
}

function setOut(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text // not whole yet
  }
}

const PIECES =
  /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g

function colours(text: string): ComponentChildren[] {
  const shown: ComponentChildren[] = []
  let end = 0
  for (const match of text.matchAll(PIECES)) {
    const [piece, string, colon] = match
    shown.push(text.slice(end, match.index))
    end = match.index + piece.length
    if (string === undefined) shown.push(<span class="json-value">{piece}</span>)
    else if (colon === undefined) shown.push(<span class="json-string">{piece}</span>)
    else shown.push(<span class="json-name">{string}</span>, colon)
  }
  return [...shown, text.slice(end)]
}
