/**
 * The media of one request to a model. Of pictures that the model sees lying on their side, as the reference does, the log
 * and a header of the answer tell: whoever looks at the file sees it upright.
 */
import { isLeftLying } from '../../preprocess/orient-image.ts'
import type { ImageHeader } from '../../preprocess/probe-image.ts'
import { RequestMedia } from './media.ts'
import type { ServedModel } from './served-model.ts'
import type { Exchange, ServerContext } from './server-context.ts'

export function requestMedia(
  { config, media, log }: ServerContext,
  { id, signal, note }: Exchange,
  model: ServedModel,
): RequestMedia {
  const onPicture = (header: ImageHeader, path: string) => {
    const isIgnored = isOrientationIgnored(header, model)
    if (isIgnored === false) return
    const { orientation } = header
    const told = isIgnored ? 'is not applied (--auto-orient)' : 'may not be applied by the worker'
    note(`${path}: orientation ${orientation} ${told}`)
    log('info', { event: 'orientation', request: id, media: path, orientation, isIgnored })
  }
  return new RequestMedia({ readers: media, limits: config, signal, onPicture })
}

/** Whether the model sees a picture otherwise than its metadata say; null: it may, a worker does not tell. */
export function isOrientationIgnored(
  header: Pick<ImageHeader, 'format' | 'orientation'>,
  { autoOrient }: Pick<ServedModel, 'autoOrient'>,
): boolean | null {
  return isLeftLying(header, autoOrient ?? false) && (autoOrient === null ? null : true)
}
