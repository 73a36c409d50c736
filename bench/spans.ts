/** What a span costs beside OpenTelemetry's own serializer for the same attributes: `node bench/spans.ts`, some seconds. */
import { ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import { readableSpan } from "../test/telemetry/spans/readable-span.ts";
import { benchSpan, measureSpan, spanCost } from "./overhead/span-cost.ts";

const { recordUs, sendUs } = await measureSpan();
const theirs = await spanCost(
  (number) => readableSpan(benchSpan(number)),
  (readable) => {
    for (let at = 0; at < readable.length; at += 500)
      ProtobufTraceSerializer.serializeRequest(readable.slice(at, at + 500));
  },
);
console.log(`Segue, redacted and encoded:     ${recordUs.toFixed(2)} µs a span`);
console.log(`Segue, the same, in requests:    ${sendUs.toFixed(2)} µs a span`);
console.log(`ProtobufTraceSerializer alone:   ${theirs.toFixed(2)} µs a span`);
process.exit();
