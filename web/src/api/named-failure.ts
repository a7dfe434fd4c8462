/** Failures in words of the page, where the server names a place in the request. */
import { ApiFailure } from './client.ts'

/** A picture or clip of a request: `messages[2].content[1].image_url`. */
const PLACE = /^messages\[(\d+)\]\.content\[(\d+)\](?:\.\w+)*/

/** What failed, with the name of the file it failed for. `names` are those of each message's pictures and clips. */
export function namedFailure(failure: Error, names: readonly (readonly string[])[]): string {
  const { message } = failure
  const inMessage = PLACE.exec(message)
  const place = inMessage ?? PLACE.exec((failure instanceof ApiFailure && failure.param) || '')
  const name = place ? names[Number(place[1])]?.[Number(place[2])] : undefined
  if (name === undefined) return message
  const rest = inMessage ? message.slice(inMessage[0].length) : `: ${message}`
  return `${name}${rest}`
}
