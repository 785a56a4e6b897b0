// Sizes of letters: a tumbling E is 5 strokes wide and high; at logMAR 0 one stroke
// subtends one minute of arc (ISO 8596; Bailey & Lovie 1976).

export const CARD = { long: 85.6, short: 53.98 }; // mm, ISO/IEC 7810 ID-1
export const LINES = { largest: 1.0, smallest: -0.3, step: 0.1 }; // logMAR
// Device pixels in a stroke. Thinner ones blur into each other.
export const MIN_STROKE = 2;
// The screen must be able to draw at least this line, or normal vision could not be shown.
export const NORMAL = 0.0; // logMAR
const MINUTE = Math.tan(Math.PI / 180 / 60);
// Denominators of 20/x and 6/x for the lines from logMAR -0.3 on.
const FEET = [10, 12.5, 16, 20, 25, 32, 40, 50, 63, 80, 100, 125, 160, 200];
const METRES = [3, 3.8, 4.8, 6, 7.5, 9.5, 12, 15, 19, 24, 30, 38, 48, 60];

/** Width and height of the letter in millimetres. */
export function letterSize(logmar, distance) {
  return 5 * 10 ** logmar * distance * MINUTE;
}

/** The least distance in mm at which a stroke of this line has enough device pixels. */
export function nearest(pixelsPerMm, logmar = NORMAL) {
  return MIN_STROKE / pixelsPerMm / (10 ** logmar * MINUTE);
}

/** The lines, largest first, that fit into `room` mm and that the screen can draw. */
export function lines(pixelsPerMm, distance, room) {
  const found = [];
  for (let tenth = Math.round(LINES.largest * 10); tenth >= LINES.smallest * 10; tenth--) {
    const size = letterSize(tenth / 10, distance);
    const enough = (size / 5) * pixelsPerMm >= MIN_STROKE - 1e-9;
    if (size <= room && enough) found.push(tenth / 10);
  }
  return found;
}

/** A line as on a chart: "20/20 (6/6)". */
export function snellen(logmar) {
  const row = Math.round((logmar - LINES.smallest) * 10);
  return `20/${FEET[row]} (6/${METRES[row]})`;
}
