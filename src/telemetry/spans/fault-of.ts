/** What a log may say of an error that came up while content was handled: where, and not its text, which may quote content. */
export const faultOf = (error: unknown): { readonly error: string; readonly at: string } =>
  error instanceof Error ? { error: error.name, at: framesOf(error) } : { error: typeof error, at: "" };

const FRAMES = 4;

const framesOf = ({ stack = "" }: Error): string =>
  stack
    .split("\n")
    .filter((line) => /^\s+at /.test(line))
    .slice(0, FRAMES)
    .map((line) => line.trim())
    .join(" ");
