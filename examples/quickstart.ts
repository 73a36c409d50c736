import OpenAI from "openai";

const url = process.env.SEGUE_URL ?? "http://127.0.0.1:8790";
const key = process.env.SEGUE_KEY ?? "";

// `model` names a policy; attributes travel in `metadata`.
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key });
const { data, response } = await client.chat.completions
  .create({
    model: "support-chat",
    messages: [{ role: "user", content: "Why was I charged twice?" }],
    metadata: { query_intent: "billing", product_line: "payments" },
  })
  .withResponse();
console.log(data.choices[0]?.message.content);
console.log(response.headers.get("x-segue-segment"), response.headers.get("x-segue-variant"));

// What the answer was worth, as soon as you know: the prediction id is all that it takes.
const feedback = await fetch(`${url}/v1/feedback`, {
  method: "POST",
  headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
  body: JSON.stringify({
    prediction_id: response.headers.get("x-segue-prediction-id"),
    name: "resolution",
    label: "resolved",
  }),
});
console.log(await feedback.json());
