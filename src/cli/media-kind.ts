/** What a file is by its name, where it is not opened yet. */
export const PICTURE = /\.(png|jpe?g|webp|gif|tiff?|avif|bmp|p[bgnp]m)$/i
export const FILM = /\.(mp4|m4v|mov|mkv|webm|avi|y4m|mpe?g|ts|ogv|wmv|flv|3gp)$/i
