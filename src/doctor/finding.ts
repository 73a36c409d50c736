/** `warn` works, but not as one may expect; `skipped` was not looked at. */
export type FindingStatus = "ok" | "warn" | "fail" | "skipped";

/** What a check found, and what to do about it; null where there is nothing to do. */
export interface Found {
  readonly status: FindingStatus;
  readonly detail: string;
  readonly fix: string | null;
}

export interface Finding extends Found {
  readonly id: string;
  readonly title: string;
}

/** One thing that is looked at. */
export interface Check {
  readonly id: string;
  readonly title: string;
  readonly run: () => Promise<Found>;
}

export const ok = (detail: string): Found => ({ status: "ok", detail, fix: null });
export const warn = (detail: string, fix: string): Found => ({ status: "warn", detail, fix });
export const fail = (detail: string, fix: string): Found => ({ status: "fail", detail, fix });
export const skipped = (detail: string, fix: string | null = null): Found => ({ status: "skipped", detail, fix });

/** Runs checks one after another, so that nothing is asked twice at once. One that breaks is a finding, not the end. */
export async function examine(checks: readonly Check[]): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const { id, title, run } of checks) {
    const found = await run().catch((error: unknown) =>
      fail(`the check itself failed: ${String(error)}`, "Please report this: a check should say what is wrong."),
    );
    findings.push({ id, title, ...found });
  }
  return findings;
}
