import { parentPort } from "node:worker_threads";
import { encodeContent, type ContentJob } from "./encode-content.ts";

/** A thread that redacts and encodes content. `contentThread` starts it. */
parentPort?.on("message", ({ id, job }: { readonly id: number; readonly job: ContentJob }) => {
  const encoded = encodeContent(job);
  parentPort?.postMessage(
    { id, encoded },
    encoded.flatMap((bytes) => (bytes === null ? [] : [bytes.buffer])),
  );
});
