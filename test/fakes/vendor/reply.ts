/** An answer that was not sent yet. */
export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export const json = (value: unknown, status = 200): Reply => ({
  status,
  headers: { "content-type": "application/json" },
  body: JSON.stringify(value),
});

export const text = (status: number, body: string): Reply => ({
  status,
  headers: { "content-type": "text/plain; charset=utf-8" },
  body,
});

/** An RFC 9457 problem. */
export const problem = (status: number, title: string, detail?: string, headers = {}): Required<Reply> => ({
  status,
  headers: { "content-type": "application/problem+json", ...headers },
  body: JSON.stringify({ status, title, type: "about:blank", ...(detail === undefined ? {} : { detail }) }),
});

/** Thrown inside a fake to refuse a request. */
export class Refusal extends Error {
  readonly reply: Reply;
  constructor(reply: Reply) {
    super(String(reply.status));
    this.reply = reply;
  }
}

/** Runs an answer; a `Refusal` that it throws becomes the answer. */
export function refusing(answer: () => Reply | Promise<Reply>): Promise<Reply> {
  return Promise.resolve()
    .then(answer)
    .catch((error: unknown) => {
      if (error instanceof Refusal) return error.reply;
      throw error;
    });
}
