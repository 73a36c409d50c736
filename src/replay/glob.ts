/**
 * Whether a name, such as a segment's id, is one that a glob names. `*` stands for any characters, also for none and also
 * for `/`: `mmlu/*` names `mmlu/anatomy` and `mmlu/a/b`, `*` names everything. All other characters stand for themselves,
 * capitals and small letters apart. Takes linear time for each `*`, whatever the glob.
 */
export function matchesGlob(name: string, glob: string): boolean {
  const [first = "", ...rest] = glob.split("*");
  const last = rest.pop();
  if (last === undefined) return name === glob;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}
