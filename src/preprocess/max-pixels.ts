/** Pixels of the largest picture or frame that is decoded: where Pillow refuses. */
export const MAX_PIXELS = 178_956_970
