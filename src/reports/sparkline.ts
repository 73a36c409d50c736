/** Eighths of a line, the lowest first. */
const BARS = "▁▂▃▄▅▆▇█";

type Points = readonly (number | null)[];

/** A series as a line of text, a sign a point; a gap is a space. */
export function sparkText(points: Points): string {
  const scale = scaleOf(points);
  return points
    .map((point) => (point === null ? " " : (BARS[Math.round(scale(point) * (BARS.length - 1))] ?? " ")))
    .join("")
    .trimEnd();
}

export const SPARK_WIDTH = 120;
export const SPARK_HEIGHT = 28;
/** Room for the line's own width. */
const MARGIN = 3;

/** A series as the `points` of SVG polylines: a gap begins another; a single point is a short line. */
export function sparkLines(points: Points): string[] {
  const scale = scaleOf(points);
  const step = (SPARK_WIDTH - 2 * MARGIN) / Math.max(1, points.length - 1);
  const place = (point: number, index: number, shift = 0): string =>
    `${round(MARGIN + index * step + shift)},${round(SPARK_HEIGHT - MARGIN - scale(point) * (SPARK_HEIGHT - 2 * MARGIN))}`;
  const lines: string[][] = [];
  let line: string[] = [];
  points.forEach((point, index) => {
    if (point === null) {
      line = [];
      return;
    }
    if (line.length === 0) lines.push(line);
    line.push(place(point, index));
    const isAlone = line.length === 1 && (points[index + 1] ?? null) === null;
    if (isAlone) line.push(place(point, index, 1));
  });
  return lines.map((each) => each.join(" "));
}

/** From 0, so that a small change does not look like a large one. */
function scaleOf(points: Points): (point: number) => number {
  let most = 0;
  for (const point of points) most = Math.max(most, point ?? 0);
  return (point) => (most === 0 ? 0 : point / most);
}

const round = (value: number): number => Math.round(value * 10) / 10;
