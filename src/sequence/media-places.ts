/** Every picture needs a place in the prompt, and every place a picture. */
import { InputError } from '../core/errors.ts'

export type MediaCount = {
  /** Placeholders in the prompt, before they are repeated for each token. */
  readonly places: number
  /** Pictures or clips that came with it. */
  readonly given: number
}

/** Throws InputError INPUT_IMAGE_PLACES or INPUT_VIDEO_PLACES where the numbers differ. */
export function checkMediaPlaces(images: MediaCount, videos: MediaCount): void {
  // The original has one tag for both; a prompt that was written for it names the wrong one here.
  if (images.places > images.given && videos.places < videos.given) {
    const { places, given } = images
    throw new InputError(
      'INPUT_IMAGE_PLACES',
      `sequence: the prompt has ${counted(places, 'image placeholder')} but ${counted(given, 'image')} came with it, and ` +
        `${counted(videos.given, 'video')} for ${counted(videos.places, 'video placeholder')}; in this model a clip stands at <video>.`,
    )
  }
  checkPlaces('image', 'INPUT_IMAGE_PLACES', images)
  checkPlaces('video', 'INPUT_VIDEO_PLACES', videos)
}

function checkPlaces(word: 'image' | 'video', code: string, { places, given }: MediaCount): void {
  if (places === given) return
  throw new InputError(
    code,
    `sequence: the prompt has ${counted(places, `${word} placeholder`)} but ${counted(given, word)} came with it; ` +
      `send one ${word} per placeholder.`,
  )
}

/** The same where one placeholder marks both. */
export function checkSharedPlaces({ places, given }: MediaCount): void {
  if (places === given) return
  const came = given === 1 ? '1 picture or clip' : `${given} pictures and clips`
  throw new InputError(
    'INPUT_IMAGE_PLACES',
    `sequence: the prompt has ${counted(places, 'placeholder')} but ${came} came with it; ` +
      'send one picture or clip per placeholder.',
  )
}

function counted(count: number, word: string): string {
  return `${count === 0 ? 'no' : count} ${word}${count === 1 ? '' : 's'}`
}
