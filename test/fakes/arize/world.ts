import type { SpanShelf } from "../otlp/span-shelf.ts";
import type { AnnotationConfig } from "./annotation-configs.ts";
import type { MonitorJson } from "./monitors.ts";
import type { PromptHub } from "./prompts.ts";
import type { ScoreBook } from "./score-book.ts";
import type { Space } from "./space.ts";

/** Everything that one fake account holds. */
export interface AxWorld {
  readonly apiKey: string;
  readonly developerKey: string;
  readonly space: Space;
  readonly now: () => number;
  readonly pageSize: number;
  /** How much later than single spans a time range can be read. */
  readonly rangeLagMs: number;
  readonly spans: SpanShelf;
  readonly scores: ScoreBook;
  readonly configs: AnnotationConfig[];
  readonly monitors: Map<string, MonitorJson>;
  readonly hub: PromptHub;
  readonly log: LogRecord[];
}

/** One record of the legacy `/v1/log`, as it was sent. */
export interface LogRecord {
  readonly model_id: string;
  readonly prediction_id: string;
  readonly prediction?: object | undefined;
  readonly actual?: object | undefined;
  readonly environment_params: object;
}
