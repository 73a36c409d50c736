/** Control and direction-changing characters that JSON leaves as they are: a terminal would obey them. */
const OBEYED = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** A value as JSON for people: one line, harmless on a terminal, at most `limit` characters. */
export function quote(value: unknown, limit = 120): string {
  const json = (JSON.stringify(value) ?? "nothing").replace(
    OBEYED,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return json.length <= limit ? json : `${json.slice(0, limit - 1)}…`;
}
