/** The name that was probably meant: the nearest by edits, when few are needed for its length. */
export function nearestName(name: string, names: readonly string[]): string | null {
  let nearest: string | null = null;
  let edits = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of names) {
    if (Math.abs(candidate.length - name.length) >= edits) continue;
    const distance = editDistance(name, candidate);
    if (distance < edits) [nearest, edits] = [candidate, distance];
  }
  return nearest;
}

/** `Did you mean 'x'?` when a name is near, and then all there are. */
export function suggest(name: string, names: readonly string[], kind: string): string {
  const near = nearestName(name, names);
  const all = names.length === 0 ? `There are no ${kind}.` : `The ${kind} are: ${names.slice(0, 20).join(", ")}.`;
  return near === null ? all : `Did you mean '${near}'? ${all}`;
}

/** Levenshtein's distance, one row of the matrix at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const following = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      following.push(Math.min(replaced, (row[j] ?? 0) + 1, (following[j - 1] ?? 0) + 1));
    }
    row = following;
  }
  return row[b.length] ?? 0;
}
