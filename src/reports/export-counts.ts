/** What a report says of what left the process, and of what was dropped. */
const COUNTED = [
  ["spans exported", "segue_spans_exported_total"],
  ["spans left out by sampling", "segue_spans_sampled_out_total"],
  ["spans dropped", "segue_spans_dropped_total"],
  ["annotations tried", "segue_annotations_total"],
  ["annotations dropped", "segue_outbox_dropped_total"],
  ["exposures dropped", "segue_exposures_dropped_total"],
  ["labels left out of the history", "segue_loss_history_dropped_total"],
] as const;

/** @param read a counter's sum over its labels, since the process started */
export const exportCounts = (
  read: (name: string) => number,
): readonly { readonly what: string; readonly count: number }[] =>
  COUNTED.map(([what, name]) => ({ what, count: read(name) }));
