import { textTable } from "../src/cli/output.ts";
import type { ScenarioResult } from "./loop-run.ts";
import type { Results, Target } from "./loop-targets.ts";

const NOTHING = "–";

type Rows = readonly (readonly string[])[];
interface Part {
  readonly header: readonly string[];
  readonly rows: Rows;
}

const number = (value: number | null, digits = 1): string =>
  value === null ? NOTHING : Number.isInteger(value) ? String(value) : value.toFixed(digits);
const percent = (value: number | null): string => (value === null ? NOTHING : `${(value * 100).toFixed(1)} %`);

const targetPart = (targets: readonly Target[]): Part => ({
  header: ["figure", "target", "measured", "met"],
  rows: targets.flatMap(({ id, target, value, met }) =>
    value === null ? [] : [[id, target, String(value), met === true ? "yes" : "no"]],
  ),
});

const detectorPart = ({ delays, healthy }: Results): Part => ({
  header: ["baseline of", "drop", "pairs", "runs", "labels to the alarm", "oracle", "ratio", "undetected"],
  rows: [
    ...delays.flatMap(({ baselineLabels, bands }) =>
      bands.map(({ band, pairs, runs, delay, oracle, ratio, undetected }) => [
        `${baselineLabels} labels`,
        DROPS[band],
        ...[pairs, runs].map(String),
        number(delay),
        number(oracle),
        number(ratio, 2),
        String(undetected),
      ]),
    ),
    ...(healthy === null
      ? []
      : [
          [
            `${healthy.baselineLabels} labels`,
            "none",
            NOTHING,
            String(healthy.streams),
            `${healthy.falseAlarms} false alarms in ${healthy.labels} labels`,
            NOTHING,
            NOTHING,
            NOTHING,
          ],
        ]),
  ],
});

const DROPS = { small: ".05–.10", medium: ".10–.20", large: "≥ .20", huge: "≥ .40" } as const;

const scenarioPart = (scenarios: readonly ScenarioResult[]): Part => ({
  header: [
    "scenario",
    "right",
    "labels",
    "false alarms per 1e6",
    "moves",
    "wrong moves",
    "wrong target",
    "missed",
    "returns",
    "requests to notice",
    "regret removed",
    "pooled",
  ],
  rows: scenarios.map(({ scenario, mean, right, removedSharePooled }) => [
    scenario,
    right === null ? NOTHING : `${right.seeds} of ${right.of}`,
    number(mean.labels, 0),
    number(mean.falseAlarmsPer1e6Labels),
    number(mean.switchovers),
    number(mean.falseSwitchovers),
    number(mean.wrongTarget),
    number(mean.missed),
    number(mean.reverts),
    number(mean.delay.requests.median, 0),
    percent(mean.regret.removedShare),
    percent(removedSharePooled),
  ]),
});

const partsOf = (targets: readonly Target[], results: Results): readonly Part[] =>
  [targetPart(targets), detectorPart(results), scenarioPart(results.scenarios)].filter(({ rows }) => rows.length > 0);

/** For a terminal: targets, detector, scenarios, and what was wrong on which seed. */
export const resultsText = (targets: readonly Target[], results: Results): string =>
  [...partsOf(targets, results).map(({ header, rows }) => textTable(header, rows)), wrongText(results.scenarios)]
    .filter((text) => text !== "")
    .join("\n\n");

const wrongText = (scenarios: readonly ScenarioResult[]): string =>
  scenarios
    .flatMap(({ scenario, seeds }) =>
      seeds.flatMap(({ seed, right }) =>
        right === null || right.isRight ? [] : [`${scenario}, seed ${seed}: ${right.wrong.join("; ")}`],
      ),
    )
    .join("\n");

/** The tables as they stand in `docs/benchmarks.md`. */
export const resultsMarkdown = (targets: readonly Target[], results: Results): string =>
  partsOf(targets, results)
    .map(({ header, rows }) =>
      [header, header.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n"),
    )
    .join("\n\n");
