/** A labelled answer on its way back. */
export interface LateLabel {
  request: number;
  segment: number;
  item: number;
  model: number;
  session: number;
  score: number;
  value: number;
  latencyMs: number;
  costUsd: number;
}

/** Labels that come back a fixed number of requests later, at most one a request: memory depends on the delay alone. */
export interface LabelQueue {
  readonly push: (label: LateLabel) => void;
  /** The label of request `now − delay`, if it has one. Call once a request, before its own label is pushed. */
  readonly due: (now: number) => LateLabel | null;
}

export function createLabelQueue(delay: number): LabelQueue {
  const slots: (LateLabel | null)[] = Array.from({ length: delay + 1 }, () => null);
  return {
    push: (label) => {
      const slot = label.request % slots.length;
      const known = slots[slot];
      if (known === null || known === undefined) slots[slot] = { ...label };
      else Object.assign(known, label);
    },
    due: (now) => {
      const label = slots[(now - delay + slots.length) % slots.length];
      return now >= delay && label?.request === now - delay ? label : null;
    },
  };
}
