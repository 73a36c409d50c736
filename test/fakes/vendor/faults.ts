/** How a request is answered instead of honestly. */
export type Fault =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  /** Nothing is answered, ever. */
  | "hang"
  /** The connection is cut before anything was done. */
  | "cut"
  /** Everything is done, then the connection is cut: the client cannot know. */
  | "lost"
  /** Answered honestly, but only after `release()`. */
  | "slow";

/** Which requests of a surface fail; all, unless told. */
export interface FaultWhere {
  readonly method?: string;
  /** Of the path without its query. */
  readonly path?: RegExp;
}

interface Planned<Surface extends string> {
  readonly surface: Surface;
  readonly fault: Fault;
  readonly where: FaultWhere;
  left: number;
}

export type Faults<Surface extends string> = ReturnType<typeof vendorFaults<Surface>>;

/** The faults that a test ordered, per surface, first ordered first used. */
export function vendorFaults<Surface extends string>() {
  const planned: Planned<Surface>[] = [];
  const held: (() => void)[] = [];
  return {
    /**
     * The next `times` requests to a surface (or to a part of it) fail; without `times`, all until the returned
     * function lifts it. A bare number is a status; 429 then carries `retry-after: 1`.
     */
    fail: (surface: Surface, fault: Fault | number, times = Infinity, where: FaultWhere = {}): (() => void) => {
      const headers = fault === 429 ? { "retry-after": "1" } : {};
      const plan = {
        surface,
        fault: typeof fault === "number" ? { status: fault, headers } : fault,
        where,
        left: times,
      };
      planned.push(plan);
      return () => (plan.left = 0);
    },
    take: ({ surface, method, url }: { surface: Surface; method: string; url: URL }): Fault | undefined => {
      const plan = planned.find(
        ({ where, ...one }) =>
          one.surface === surface &&
          one.left > 0 &&
          (where.method ?? method) === method &&
          (where.path?.test(url.pathname) ?? true),
      );
      if (plan !== undefined) plan.left -= 1;
      return plan?.fault;
    },
    held: () => new Promise<void>((resolve) => held.push(resolve)),
    /** Lets the requests go on that a `slow` fault holds. @returns how many there were */
    release: (): number => {
      const waiting = held.splice(0);
      for (const resume of waiting) resume();
      return waiting.length;
    },
  };
}
