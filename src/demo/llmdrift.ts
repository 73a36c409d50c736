/** The kinds of question that are asked; each is one segment of the demo's policy. */
export const TASKS = ["prime", "composite", "happy-numbers", "opinion-qa", "leetcode"] as const;
export type Task = (typeof TASKS)[number];

/** The two snapshots that the paper compares. */
export const EPOCHS = ["2023-03", "2023-06"] as const;
export type Epoch = (typeof EPOCHS)[number];

export const MODELS = ["gpt-4", "gpt-3.5-turbo"] as const;
export type Model = (typeof MODELS)[number];

/** Mean scores in [0,1]; 1 is best. */
export type Figures = Readonly<Record<Model, Readonly<Record<Epoch, Readonly<Record<Task, number>>>>>>;

/**
 * The published accuracy of each model and snapshot: Lingjiao Chen, Matei Zaharia, James Zou, "How is ChatGPT's
 * behavior changing over time?", 2023, https://arxiv.org/abs/2307.09009. For `opinion-qa` it is the share of
 * questions that were answered at all, for `leetcode` the share of answers that ran as they were.
 */
export const publishedFigures: Figures = {
  "gpt-4": {
    "2023-03": { prime: 0.976, composite: 0.704, "happy-numbers": 0.836, "opinion-qa": 0.976, leetcode: 0.52 },
    "2023-06": { prime: 0.024, composite: 0.998, "happy-numbers": 0.352, "opinion-qa": 0.221, leetcode: 0.1 },
  },
  "gpt-3.5-turbo": {
    "2023-03": { prime: 0.148, composite: 0.844, "happy-numbers": 0.306, "opinion-qa": 0.937, leetcode: 0.22 },
    "2023-06": { prime: 0.866, composite: 0.656, "happy-numbers": 0.482, "opinion-qa": 0.967, leetcode: 0.02 },
  },
};

/**
 * The demo's traffic: shares that sum to one. They are ours, not the paper's, and are chosen so that the mean over
 * all traffic rises while four of five segments fall: a dashboard of the whole would have been pleased.
 */
export const trafficShares: Readonly<Record<Task, number>> = {
  prime: 0.08,
  composite: 0.74,
  "happy-numbers": 0.1,
  "opinion-qa": 0.04,
  leetcode: 0.04,
};

/** The mean score over all traffic when each task scores as given. */
export const aggregateScore = (
  scores: Readonly<Record<Task, number>>,
  shares: Readonly<Record<Task, number>> = trafficShares,
): number => TASKS.reduce((sum, task) => sum + shares[task] * scores[task], 0);
