/** Places in what a worker was sent, as places in what the client sent: it knows of no other. */
import type { Prompt } from '../../request.ts'
import { HttpError } from '../http-error.ts'
import { pathOfMedium } from '../media-paths.ts'
import type { ServedRequest } from '../served-model.ts'

export type Asked = {
  readonly prompt: Prompt
  /** As it came: its list of ids is known by where it stood. */
  readonly request: ServedRequest
}

/** What a worker refuses, told by the client's own place; without one where the place is none of the client's. */
export function atPlaceAsked(error: unknown, asked: Asked): unknown {
  if (!(error instanceof HttpError) || error.param === null) return error
  const { status, code, message, param, headers } = error
  const path = pathOfMedium(sentAt(param, asked))
  if (path !== null) {
    return new HttpError(status, code, message.replaceAll(param, path), headers, path)
  }
  // A form is sent in the field that the worker has for it; whichever the client's was is known where its body was read.
  const told = FORM_SENT.test(param) ? message.replaceAll(param, 'responseFormat') : message
  return new HttpError(status, code, told, headers)
}

/** Where a request to a worker of ours holds the form of its answer. */
const FORM_SENT = /^(?:sampling_params\.)?(?:response_format|json_schema|regex|choice|ebnf)$/

/** The medium or the ids that a place of a wire request holds. */
function sentAt(place: string, { prompt, request }: Asked): unknown {
  if (place === 'input_ids') return 'inputIds' in request ? request.inputIds : null
  const [, list, index] = /^(image|video)_data\[(\d+)\]/.exec(place) ?? []
  if (list !== undefined && prompt.kind !== 'messages') {
    return list === 'image' ? prompt.images[Number(index)] : prompt.videos[Number(index)]?.video
  }
  const [, turn, at] = /^messages\[(\d+)\]\.content\[(\d+)\]/.exec(place) ?? []
  if (turn === undefined || prompt.kind !== 'messages') return null
  const part = [prompt.messages[Number(turn)]?.content].flat()[Number(at)]
  if (typeof part !== 'object' || part.type === 'text') return null
  return part.type === 'image' ? part.image : part.video
}
