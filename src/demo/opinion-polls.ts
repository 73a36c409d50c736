interface Stem {
  readonly ask: (topic: string, audience: string) => string;
  readonly options: readonly string[];
}

const stems: readonly Stem[] = [
  {
    ask: (topic, audience) => `How important are ${topic} to ${audience}?`,
    options: ["Very important", "Somewhat important", "Not too important", "Not at all important"],
  },
  {
    ask: (topic, audience) => `How well do ${topic} serve ${audience}?`,
    options: ["Very well", "Fairly well", "Not too well", "Not well at all"],
  },
  {
    ask: (topic, audience) => `How much difference will ${topic} make to ${audience} in twenty years?`,
    options: ["A great deal", "A fair amount", "Not much", "None"],
  },
  {
    ask: (topic, audience) => `How worried should people be about what ${topic} do to ${audience}?`,
    options: ["Very worried", "Somewhat worried", "Not too worried", "Not worried at all"],
  },
  {
    ask: (topic, audience) => `Do ${topic} make things better or worse for ${audience}?`,
    options: ["Better", "Neither better nor worse", "Worse", "It depends"],
  },
];

const audiences = ["families", "your community", "the country as a whole", "the next generation"] as const;

const topics = [
  "public libraries",
  "local newspapers",
  "national parks",
  "community colleges",
  "school uniforms",
  "standardised tests",
  "self-driving cars",
  "electric cars",
  "bicycle lanes",
  "high-speed trains",
  "nuclear power plants",
  "wind farms",
  "space missions",
  "video games",
  "social networks",
  "smartphones",
  "online shops",
  "farmers' markets",
  "genetically modified crops",
  "vegetarian diets",
  "four-day working weeks",
  "home offices",
  "labour unions",
  "private museums",
  "public swimming pools",
] as const;

/** A multiple-choice question without a right answer. */
export interface OpinionPoll {
  readonly question: string;
  /** In the order of their letters: A, B, C, D. */
  readonly options: readonly string[];
}

/** Every topic, stem and audience: 500 polls. */
export const opinionPolls: readonly OpinionPoll[] = topics.flatMap((topic) =>
  stems.flatMap(({ ask, options }) => audiences.map((audience) => ({ question: ask(topic, audience), options }))),
);
