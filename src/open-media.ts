/** Pictures and clips in any form that a message may hold them in: found, opened, and decoded on worker threads. */
import { InputError } from './core/errors.ts'
import { clipInfoOf, openClip, unfolded } from './preprocess/frames-node.ts'
import { identifyFile } from './preprocess/identify-node.ts'
import { isPixels } from './preprocess/image-source.ts'
import type { ImageSize } from './preprocess/image.ts'
import { createPreprocessor, imageSizeOf, readImageFile } from './preprocess/node.ts'
import type { ImageSource } from './serve/messages.ts'
import { resolveLocalPicture, resolvePicture } from './serve/picture-source.ts'
import type { ClipOpener } from './serve/prepare-clip.ts'
import type { PicturePreprocessor } from './serve/prepare-picture.ts'
import { resolveClip, resolveLocalClip } from './serve/video-source.ts'

export type MediaOptions = {
  /** Turn pictures and films as their files say. By default as the references do: films, and pictures not. */
  readonly autoOrient?: boolean | undefined
  /** Fetch pictures from http and https URLs. */
  readonly allowRemote?: boolean | undefined
}

export type Pictures = PicturePreprocessor & {
  warm(): void
  size(image: ImageSource): ImageSize
  dispose(): Promise<void>
}

export function createPictures({
  autoOrient = false,
  allowRemote = false,
}: MediaOptions): Pictures {
  const preprocessor = createPreprocessor({ autoOrient })
  return {
    async load(image, signal) {
      const source = await resolvePicture(image, { allowRemote, signal })
      return isPixels(source) ? source : readImageFile(source)
    },
    async preprocess(image, processor, { pictures, signal }) {
      const source = await resolvePicture(image, { allowRemote, signal })
      return preprocessor.preprocess(source, processor, { pictures, signal })
    },
    size(image) {
      const source = resolveLocalPicture(image)
      if (source instanceof Blob || (source instanceof URL && source.protocol !== 'file:')) {
        throw new InputError(
          'INPUT_IMAGE_SOURCE',
          'countTokens: the size of a Blob or a remote picture is not known at once; give its bytes.',
        )
      }
      return imageSizeOf(source, { autoOrient })
    },
    warm: () => preprocessor.warm(),
    dispose: () => preprocessor.dispose(),
  }
}

export function createClips({ autoOrient, allowRemote = false }: MediaOptions): ClipOpener {
  return {
    find: async (video, signal) => unfolded(await resolveClip(video, { allowRemote, signal })),
    identify: identifyFile,
    open: (source, signal) => openClip(source, { autoOrient, signal }),
    infoOf: (video) => clipInfoOf(resolveLocalClip(video)),
  }
}
