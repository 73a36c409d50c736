import type { Workspace } from "./segue-process.ts";

const segment = (id: string, risk: string, mode: string, objective: string): string => `
  - id: ${id}
    when: topic == "${id}"
    risk: ${risk}
    owner: tests
    mode: ${mode}
    objectives:
      - ${objective}
    ladder:
      - variant: first
        validated: { score: 0.95, items: 300 }
      - variant: second
        validated: { score: 0.9, items: 300 }
    fallback: second
    why: One behaviour of the loop is watched on it.
`;

const BASELINE = "{ metric: quality, against: baseline, tolerance: 0.05 }";
const BOUND = "{ metric: quality, against: bound, lossMax: 0.2 }";
const variant = (id: string): string => `
  ${id}:
    provider: openai
    model: model-${id}
`;

/** A small policy with a segment for each behaviour of the loop, chosen by the request's `topic`. */
export const CHAT_POLICY = `policy: chat
attributes:
  topic:
    type: string
    values: [plain, calm, risky, refused, paused, halted, control, other]
    default: other
metrics:
  quality:
    from: feedback
    labels: { good: 1, bad: 0 }
variants:
${["first", "second", "third"].map(variant).join("")}
default: third
segments:
${segment("plain", "low", "auto", BASELINE)}
${segment("calm", "low", "auto", BOUND)}
${segment("risky", "high", "approve", BOUND)}
${segment("refused", "high", "approve", BOUND)}
${segment("paused", "low", "auto", BOUND)}
${segment("halted", "low", "auto", BOUND)}
${segment("control", "low", "auto", BOUND)}
guard:
  cooldownSeconds: 3600
  movesPerHour: 100
  shareInFlightMax: 1
`;

/** `init` and `apply` with that policy. @returns the application's key */
export async function publishChat(workspace: Workspace): Promise<string> {
  workspace.write("policies/chat.yaml", CHAT_POLICY);
  const init = await workspace.run("init", "--json", "--name", "ada");
  const applied = await workspace.run("apply", "--json");
  if (init.code !== 0 || applied.code !== 0) throw new Error(`${init.stdout}${applied.stdout}${applied.stderr}`);
  return (init.json() as { applicationKey: string }).applicationKey;
}
