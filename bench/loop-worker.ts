/** A thread of the benchmark: reads the tables once, then does one job after the other. */
import { parentPort, workerData } from "node:worker_threads";
import { doJob, type Job } from "./loop-job.ts";
import { readTables } from "./loop-tables.ts";

const port = parentPort;
if (port === null) throw new Error("This is a thread of bench/loop.ts: run that.");
const table = await readTables(workerData as readonly string[]);
let turn = Promise.resolve();
port.on("message", (job: Job) => {
  turn = turn.then(async () => port.postMessage(await doJob(table, job)));
});
