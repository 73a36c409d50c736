// Made up: what 40 questions of three kinds scored under three models. `node examples/replay/make-outcomes.ts > outcomes.csv`
const MEANS = {
  billing: { large: 0.95, medium: 0.9, small: 0.5 },
  coding: { large: 0.9, medium: 0.7, small: 0.3 },
  smalltalk: { large: 0.85, medium: 0.95, small: 0.8 },
};
console.log("item,segment,model,score");
for (const [segment, means] of Object.entries(MEANS))
  for (let item = 0; item < 40; item++)
    for (const [i, [model, mean]] of Object.entries(means).entries())
      console.log(`${segment}-${item},${segment},${model},${(item * 7 + i * 13) % 40 < 40 * mean ? 1 : 0}`);
