import { watch, type FSWatcher } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Log } from "../ports.ts";
import { flagsParser, type FlagDefaults } from "./flags-parser.ts";

/**
 * A flags file as LaunchDarkly's file data source must see it. Read straight from the disk, that source
 * ends the process when the file is deleted, misses the second replacement by rename, never comes back
 * from a missing file and forgets its versions after a malformed one (js-server-sdk-common 2.21.5).
 */
export interface FlagsFile {
  /** Stands in for the SDK's file system: answers with the last whole and valid text, and never rejects. */
  readonly fileSystem: {
    readonly getFileTimestamp: (path: string) => Promise<number>;
    readonly readFile: (path: string) => Promise<string>;
    readonly watch: (path: string, onEvent: (type: string, path: string) => void) => { readonly close: () => void };
  };
  /** Settles after the first attempt to read; true when it gave flags. */
  readonly tried: Promise<boolean>;
  /** Why the file as it is now is not served, or null. */
  readonly problem: () => string | null;
  readonly close: () => void;
}

export interface FlagsFileOptions {
  readonly path: string;
  /** Added to the file where it does not define them; a flag of the file must be of its default's type. */
  readonly defaults: FlagDefaults;
  readonly log: Log;
  /** How often the file is read without being told, for mounts that tell nothing. */
  readonly pollMs?: number;
  /** How long a problem must last before it is logged: a file is malformed while an editor writes it. */
  readonly graceMs?: number;
}

export function watchFlagsFile({ path, defaults, log, pollMs = 2000, graceMs = 250 }: FlagsFileOptions): FlagsFile {
  const parse = flagsParser(defaults);
  const listeners = new Set<() => void>();
  const good = Promise.withResolvers<void>();
  const state = { raw: "", served: "", version: 0, problem: null as string | null, logged: null as string | null };
  let grace: NodeJS.Timeout | undefined;

  function fail(problem: string): void {
    state.problem = problem;
    if (problem === state.logged) return;
    clearTimeout(grace);
    grace = setTimeout(() => {
      state.logged = problem;
      log.warn(`flags file ${path}: ${problem}; ${kept(state.version)}`);
    }, graceMs).unref();
  }

  async function read(): Promise<void> {
    let raw: string;
    try {
      raw = await readFile(path, "utf8");
    } catch (error) {
      return fail(`it cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
    }
    const parsed = state.version > 0 && raw === state.raw ? { text: state.served } : parse(raw);
    if ("problem" in parsed) return fail(parsed.problem);
    clearTimeout(grace);
    if (state.logged !== null) log.info(`flags file ${path} is read again`);
    const isNew = parsed.text !== state.served;
    Object.assign(state, { raw, served: parsed.text, problem: null, logged: null });
    if (!isNew) return;
    state.version += 1;
    good.resolve();
    for (const listener of listeners) listener();
  }

  const reader = singleFlight(read);
  const stop = watchFolder(dirname(resolve(path)), reader, pollMs);
  return {
    fileSystem: {
      getFileTimestamp: () => Promise.resolve(state.version),
      readFile: () => good.promise.then(() => state.served),
      watch: (watched, onEvent) => {
        const listener = () => onEvent("change", watched);
        listeners.add(listener);
        // The file may have changed between the SDK's first read and this call; it compares timestamps.
        listener();
        return { close: () => listeners.delete(listener) };
      },
    },
    tried: reader().then(() => state.version > 0),
    problem: () => (state.problem === null ? null : `${state.problem}; ${kept(state.version)}`),
    close: () => {
      stop();
      clearTimeout(grace);
    },
  };
}

const kept = (version: number): string =>
  version === 0 ? "defaults are served until it can be read" : "the flags read before stay in force";

/** Runs one at a time; calls made meanwhile are answered by one more run, so that the last change is always seen. */
function singleFlight(run: () => Promise<void>): () => Promise<void> {
  let current: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  const start = (): Promise<void> => {
    current = run().finally(() => (current = null));
    return current;
  };
  return () => {
    if (current === null) return start();
    next ??= current.then(() => {
      next = null;
      return start();
    });
    return next;
  };
}

/** The folder is watched, not the file: a watch on a file ends when an editor replaces it. */
function watchFolder(folder: string, onEvent: () => Promise<void>, pollMs: number): () => void {
  let watcher: FSWatcher | null = null;
  const drop = () => {
    watcher?.close();
    watcher = null;
  };
  const open = () => {
    try {
      watcher = watch(folder, { persistent: false }, () => void onEvent());
      watcher.on("error", drop);
    } catch {
      // The folder does not exist yet; the poll below reads the file and tries again.
      watcher = null;
    }
  };
  open();
  const timer = setInterval(() => {
    if (watcher === null) open();
    void onEvent();
  }, pollMs).unref();
  return () => {
    clearInterval(timer);
    drop();
  };
}
