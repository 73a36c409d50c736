/** One `{{…}}` of a prompt template. */
export interface PromptTag {
  /** Empty for `{{name}}` and `{{{name}}}`; else the sigil that makes it something else, such as `#` for a section. */
  readonly sigil: string;
  readonly name: string;
  /** Where it begins, in characters. */
  readonly offset: number;
}

const TAG = /\{\{(\{?)\s*([#^/!>=]?)&?\s*([^]*?)\s*\}?\}\}/g;

/** The tags of a mustache template that parses, in order. */
export const promptTags = (text: string): PromptTag[] =>
  [...text.matchAll(TAG)].map((match) => ({ sigil: match[2] ?? "", name: match[3] ?? "", offset: match.index }));
