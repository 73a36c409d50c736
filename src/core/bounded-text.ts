/**
 * The text of an answer, read no further than a limit: whoever sends more, or never stops, costs no more memory than that.
 * @param bytesMax of the body as it is after decompression
 * @returns null where it is longer; the rest is then not read, and the connection is given up
 */
export async function boundedText({ body }: Pick<Response, "body">, bytesMax: number): Promise<string | null> {
  if (body === null) return "";
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.byteLength;
    if (bytes > bytesMax) {
      // What it says to that is of no interest: nothing more is read either way.
      await reader.cancel().catch(() => undefined);
      return null;
    }
    text += decoder.decode(value, { stream: true });
  }
}
