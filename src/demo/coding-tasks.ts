interface Family {
  /** The function's name without its number. */
  readonly name: string;
  /** What the function returns, as it follows "takes an array of numbers and returns". */
  readonly returns: (k: number) => string;
  /** An expression over `numbers`. */
  readonly expression: (k: number) => string;
}

const families: readonly Family[] = [
  {
    name: "countMultiplesOf",
    returns: (k) => `how many of them are multiples of ${k}`,
    expression: (k) => `numbers.filter((n) => n % ${k} === 0).length`,
  },
  {
    name: "sumAbove",
    returns: (k) => `the sum of those greater than ${k}`,
    expression: (k) => `numbers.filter((n) => n > ${k}).reduce((sum, n) => sum + n, 0)`,
  },
  {
    name: "countBelow",
    returns: (k) => `how many of them are less than ${k}`,
    expression: (k) => `numbers.filter((n) => n < ${k}).length`,
  },
  {
    name: "addToEach",
    returns: (k) => `a new array with ${k} added to each`,
    expression: (k) => `numbers.map((n) => n + ${k})`,
  },
  {
    name: "multiplyEachBy",
    returns: (k) => `a new array with each multiplied by ${k}`,
    expression: (k) => `numbers.map((n) => n * ${k})`,
  },
  {
    name: "keepAbove",
    returns: (k) => `a new array of those greater than ${k}`,
    expression: (k) => `numbers.filter((n) => n > ${k})`,
  },
  {
    name: "keepBelow",
    returns: (k) => `a new array of those less than ${k}`,
    expression: (k) => `numbers.filter((n) => n < ${k})`,
  },
  {
    name: "dropMultiplesOf",
    returns: (k) => `a new array without the multiples of ${k}`,
    expression: (k) => `numbers.filter((n) => n % ${k} !== 0)`,
  },
  {
    name: "findFirstAbove",
    returns: (k) => `the first one greater than ${k}, or null`,
    expression: (k) => `numbers.find((n) => n > ${k}) ?? null`,
  },
  {
    name: "findLastAbove",
    returns: (k) => `the last one greater than ${k}, or null`,
    expression: (k) => `numbers.findLast((n) => n > ${k}) ?? null`,
  },
  {
    name: "isEveryAbove",
    returns: (k) => `whether all of them are greater than ${k}`,
    expression: (k) => `numbers.every((n) => n > ${k})`,
  },
  {
    name: "isAnyMultipleOf",
    returns: (k) => `whether any of them is a multiple of ${k}`,
    expression: (k) => `numbers.some((n) => n % ${k} === 0)`,
  },
  {
    name: "takeFirst",
    returns: (k) => `a new array of the first ${k}`,
    expression: (k) => `numbers.slice(0, ${k})`,
  },
  {
    name: "dropFirst",
    returns: (k) => `a new array without the first ${k}`,
    expression: (k) => `numbers.slice(${k})`,
  },
  {
    name: "takeLast",
    returns: (k) => `a new array of the last ${k}`,
    expression: (k) => `numbers.slice(-${k})`,
  },
  {
    name: "remaindersBy",
    returns: (k) => `a new array with each one's remainder after division by ${k}`,
    expression: (k) => `numbers.map((n) => n % ${k})`,
  },
  {
    name: "takeEvery",
    returns: (k) => `a new array of every ${k}th element, beginning with the first`,
    expression: (k) => `numbers.filter((_, i) => i % ${k} === 0)`,
  },
  {
    name: "capAt",
    returns: (k) => `a new array where everything greater than ${k} is ${k} instead`,
    expression: (k) => `numbers.map((n) => Math.min(n, ${k}))`,
  },
  {
    name: "chunkBy",
    returns: (k) => `them in groups of ${k}, as an array of arrays`,
    expression: (k) =>
      `Array.from({ length: Math.ceil(numbers.length / ${k}) }, (_, i) => numbers.slice(i * ${k}, (i + 1) * ${k}))`,
  },
  {
    name: "distancesTo",
    returns: (k) => `a new array with each one's distance to ${k}`,
    expression: (k) => `numbers.map((n) => Math.abs(n - ${k}))`,
  },
];

/** An easy programming exercise. */
export interface CodingTask {
  /** The function to write, such as `countMultiplesOf7`. */
  readonly name: string;
  readonly returns: string;
  /** A solution that runs as it is. */
  readonly solution: string;
}

const codingTask = ({ name, returns, expression }: Family, k: number): CodingTask => ({
  name: `${name}${k}`,
  returns: returns(k),
  solution: `function ${name}${k}(numbers) {\n  return ${expression(k)};\n}`,
});

/** Every family with 25 numbers: 500 exercises. */
export const codingTasks: readonly CodingTask[] = Array.from({ length: 25 }, (_, i) =>
  families.map((family) => codingTask(family, i + 3)),
).flat();
