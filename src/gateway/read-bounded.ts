/** Whole, or, beyond the limit, a stream that begins with what was read already. */
export type Body = Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;

/** Reads a body as long as it stays within `limitBytes`. Rejects as the body does. */
export async function readBounded(source: ReadableStream<Uint8Array> | null, limitBytes: number): Promise<Body> {
  const chunks: Uint8Array[] = [];
  if (source === null) return joined(chunks, 0);
  const reader = source.getReader();
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return joined(chunks, size);
    chunks.push(value);
    size += value.length;
    if (size > limitBytes) return resumed(chunks, reader);
  }
}

/** The chunks as one, of `size` bytes in all. */
export function joined(chunks: readonly Uint8Array[], size: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** A stream of the chunks that were read already, then of what the reader still has. */
export function resumed(
  chunks: readonly Uint8Array[],
  reader: ReadableStreamDefaultReader<Uint8Array>,
): ReadableStream<Uint8Array> {
  const pending = [...chunks];
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const known = pending.shift();
        if (known !== undefined) return controller.enqueue(known);
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
