/** What one character of a text may cost at most, in steps of a backtracking matcher. */
const STEPS_MAX = 10_000;

/**
 * Why a regular expression may not search texts that others wrote, in words for the person who wrote it; null when it may.
 * Every repetition must have an end, so that the work for each character of a text is bounded: at most as many ways to
 * match as the repetitions and alternatives allow, each as long as the longest match. References, lookaround and matches
 * of nothing are refused. Compiles with the flag `u`.
 */
export function patternFault(pattern: string): string | null {
  try {
    // Also refuses what the parser below takes no offence at.
    RegExp(pattern, "u");
  } catch (thrown) {
    return `it is no regular expression (${thrown instanceof Error ? thrown.message.split(": ").at(-1) : "syntax"})`;
  }
  const reading: Reading = { pattern, at: 0, fault: null };
  const { ways, lengthMin, lengthMax } = alternatives(reading);
  if (reading.fault !== null) return reading.fault;
  if (lengthMin === 0) return "it matches nothing at all, which is everywhere: let it need a character";
  return ways * lengthMax > STEPS_MAX
    ? "it may take too long: use fewer or shorter repetitions, such as {1,8}, or fewer alternatives"
    : null;
}

interface Reading {
  readonly pattern: string;
  at: number;
  /** The first one found. */
  fault: string | null;
}

interface Cost {
  /** In how many ways it may match at one place, an upper bound. */
  readonly ways: number;
  readonly lengthMin: number;
  readonly lengthMax: number;
}

const NOTHING: Cost = { ways: 1, lengthMin: 0, lengthMax: 0 };
const CHARACTER: Cost = { ways: 1, lengthMin: 1, lengthMax: 1 };

function alternatives(reading: Reading): Cost {
  let cost = sequence(reading);
  while (reading.pattern[reading.at] === "|") {
    reading.at++;
    const other = sequence(reading);
    cost = {
      ways: cost.ways + other.ways,
      lengthMin: Math.min(cost.lengthMin, other.lengthMin),
      lengthMax: Math.max(cost.lengthMax, other.lengthMax),
    };
  }
  return cost;
}

function sequence(reading: Reading): Cost {
  let cost = NOTHING;
  while (reading.at < reading.pattern.length && !"|)".includes(reading.pattern[reading.at] ?? "")) {
    const part = repeated(reading, atom(reading));
    cost = {
      ways: cost.ways * part.ways,
      lengthMin: cost.lengthMin + part.lengthMin,
      lengthMax: cost.lengthMax + part.lengthMax,
    };
  }
  return cost;
}

function atom(reading: Reading): Cost {
  const { pattern, at } = reading;
  switch (pattern[at]) {
    case "(":
      return group(reading);
    case "[":
      reading.at = classEnd(pattern, at);
      return CHARACTER;
    case "\\":
      return escape(reading);
    case "^":
    case "$":
      reading.at++;
      return NOTHING;
    case undefined:
    default:
      reading.at += (pattern.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
      return CHARACTER;
  }
}

function group(reading: Reading): Cost {
  reading.at++;
  if (reading.pattern[reading.at] === "?") {
    if (reading.pattern[reading.at + 1] === ":") reading.at += 2;
    else {
      reading.fault ??= "it looks around or names a group: use (?: and ) only";
      reading.at++;
    }
  }
  const cost = alternatives(reading);
  reading.at++;
  return cost;
}

/** Behind the bracket that closes a class; the flag `u` knows no nested ones. */
function classEnd(pattern: string, start: number): number {
  let at = start + 1;
  while (at < pattern.length && pattern[at] !== "]") at += pattern[at] === "\\" ? 2 : 1;
  return at + 1;
}

function escape(reading: Reading): Cost {
  const [whole = "\\", kind = ""] =
    /^\\(?:(u)\{[0-9a-fA-F]+\}|(u)[0-9a-fA-F]{4}|(x)[0-9a-fA-F]{2}|([pP])\{[^}]*\}|(c)[A-Za-z]|[\s\S])/u.exec(
      reading.pattern.slice(reading.at, reading.at + 80),
    ) ?? [];
  reading.at += whole.length;
  if (kind !== "") return CHARACTER;
  if (/^\\[1-9k]/.test(whole)) reading.fault ??= "it refers to what a group matched: write that part out";
  return /^\\[bB]$/.test(whole) ? NOTHING : CHARACTER;
}

function repeated(reading: Reading, once: Cost): Cost {
  const [whole, min, max] =
    /^(?:\?|[*+]|\{(\d+)(?:,(\d*))?\})\??/.exec(reading.pattern.slice(reading.at, reading.at + 40)) ?? [];
  if (whole === undefined) return once;
  reading.at += whole.length;
  const hasComma = whole.includes(",");
  if (/^[*+]/.test(whole) || (hasComma && max === "")) {
    reading.fault ??= `the repetition '${whole}' has no end: write {0,40} or {1,40} with the longest that there is`;
    return once;
  }
  const [least, most] = min === undefined ? [0, 1] : [Number(min), Number(hasComma ? max : min)];
  return {
    ways: waysOf(once.ways, least, most),
    lengthMin: least * once.lengthMin,
    lengthMax: most * once.lengthMax,
  };
}

/** The sum of the ways for each number of repetitions. */
function waysOf(ways: number, least: number, most: number): number {
  if (ways === 1) return most - least + 1;
  let sum = 0;
  for (let count = least; count <= most && sum <= STEPS_MAX; count++) sum += ways ** count;
  return sum;
}
