import type { Log } from "../ports.ts";

type Level = "info" | "warn" | "error";

/** One JSON object a line: `{"time","level","message",…fields}`. */
export function jsonLog(write: (line: string) => void, now: () => number): Log {
  const line =
    (level: Level): Log["info"] =>
    (message, fields = {}) => {
      const printed = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, printable(value)]));
      write(`${JSON.stringify({ time: new Date(now()).toISOString(), level, message, ...printed })}\n`);
    };
  return { info: line("info"), warn: line("warn"), error: line("error") };
}

const printable = (value: unknown): unknown =>
  value instanceof Error
    ? {
        name: value.name,
        message: value.message,
        stack: value.stack,
        ...(value.cause === undefined ? {} : { cause: printable(value.cause) }),
      }
    : value;

/** For tests and commands that print their own progress. */
export const silentLog: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };
