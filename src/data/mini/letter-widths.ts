/** How wide the letters of the DejaVu faces run, from the `hmtx` tables of their files (2.37). */
import type { Font } from './lettering.ts'

const UNITS = 2048
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'

/** By face: small letters, capitals, then what every digit has; one number where all are as wide. */
const WIDTHS: Readonly<Record<string, string>> = {
  'DejaVu Sans': `
    1255 1300 1126 1300 1260 721 1300 1298 569 569 1186 569 1995 1298 1253 1300 1300 842 1067 803 1298 1212 1675 1212 1212 1075
    1401 1405 1430 1577 1294 1178 1587 1540 604 604 1343 1141 1767 1532 1612 1235 1612 1423 1300 1251 1499 1401 2025 1403 1251 1403
    1303`,
  'DejaVu Sans bold': `
    1382 1466 1214 1466 1389 891 1466 1458 702 702 1362 702 2134 1458 1407 1466 1466 1010 1219 979 1458 1335 1892 1321 1335 1192
    1585 1561 1503 1700 1399 1399 1681 1714 762 762 1587 1305 2038 1714 1741 1501 1741 1577 1475 1397 1663 1585 2259 1579 1483 1485
    1425`,
  'DejaVu Serif': `
    1221 1311 1147 1311 1212 758 1311 1319 655 635 1241 655 1942 1319 1233 1311 1311 979 1051 823 1319 1157 1753 1155 1157 1079
    1479 1505 1567 1642 1495 1421 1636 1786 809 821 1530 1360 2097 1792 1679 1378 1679 1542 1403 1366 1726 1479 2105 1458 1352 1423
    1303`,
  'DejaVu Serif bold': `
    1327 1432 1247 1432 1303 881 1432 1489 778 741 1419 778 2167 1489 1366 1432 1432 1079 1153 946 1489 1190 1763 1221 1190 1163
    1589 1731 1630 1776 1561 1454 1749 1935 958 969 1780 1440 2267 1872 1784 1540 1784 1702 1479 1524 1786 1589 2300 1589 1462 1495
    1425`,
  'DejaVu Sans Condensed bold': `
    1243 1319 1092 1319 1250 801 1319 1312 631 631 1225 631 1920 1312 1266 1319 1319 909 1097 881 1312 1201 1702 1188 1201 1072
    1426 1404 1352 1530 1259 1259 1512 1542 685 685 1428 1174 1834 1542 1566 1350 1566 1419 1327 1257 1496 1426 2033 1421 1334 1336
    1282`,
  'DejaVu Sans Mono bold': '1233',
}

/** Middles of the letters of a line whose middle is at `x`, in pixels; kerning is left out. */
export function letterMiddles(
  text: string,
  { font, size, x }: { readonly font: Font; readonly size: number; readonly x: number },
): number[] {
  const widths = widthsOf(font)
  const wide = [...text].map((letter) => {
    const width = widths[LETTERS.indexOf(letter)] ?? widths.at(-1)
    return ((width as number) / UNITS) * size
  })
  let edge = x - wide.reduce((sum, width) => sum + width, 0) / 2
  return wide.map((width) => (edge += width) - width / 2)
}

function widthsOf({ family, isBold }: Font): number[] {
  return (WIDTHS[isBold ? `${family} bold` : family] as string).trim().split(/\s+/).map(Number)
}
