import type { SegueServer } from "./segue-process.ts";

export type Grade = (variant: string) => number;

/** Asks one question on a topic and rates the answer. @returns the variant that answered */
export async function askAndRate(server: SegueServer, key: string, topic: string, grade: Grade): Promise<string> {
  const messages = [{ role: "user", content: "hi" }];
  const answer = await server.ask("POST", "/v1/chat/completions", {
    key,
    body: { model: "chat", messages, metadata: { topic } },
  });
  const variant = answer.headers.get("x-segue-variant");
  const id = answer.headers.get("x-segue-prediction-id");
  if (answer.status !== 200 || variant === null || id === null) throw new Error(JSON.stringify(answer.body));
  const rated = await server.ask("POST", "/v1/feedback", {
    key,
    body: { prediction_id: id, name: "quality", score: grade(variant) },
  });
  if (rated.body.recorded !== true) throw new Error(JSON.stringify(rated.body));
  return variant;
}

/** So many rated answers, a few at a time. */
export async function traffic(
  server: SegueServer,
  key: string,
  { topic, count, grade }: { readonly topic: string; readonly count: number; readonly grade: Grade },
): Promise<void> {
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await askAndRate(server, key, topic, grade);
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
}
