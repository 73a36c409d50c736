import { fail, ok, warn, type Check, type Found } from "./finding.ts";
import { emptyExport } from "./empty-export.ts";
import { unreachable, type Prober } from "./probe.ts";

export interface ArizeOtlpSettings {
  /** Up to and including `/v1`. */
  readonly otlpUrl: string;
  readonly apiKey: string;
  readonly spaceId: string;
  readonly project: string;
}

/** Whether Arize AX would take spans: an export without any is sent. */
export const arizeOtlpCheck = (prober: Prober, settings: ArizeOtlpSettings): Check => ({
  id: "arize-otlp",
  title: "Arize: spans over OTLP",
  run: async () => {
    const url = `${settings.otlpUrl.replace(/\/+$/, "")}/traces`;
    const answer = await prober.ask({
      method: "POST",
      url,
      headers: {
        "content-type": "application/x-protobuf",
        // The bare key: this is not the scheme of Arize's REST API.
        authorization: settings.apiKey,
        "arize-space-id": settings.spaceId,
        "arize-interface": "otel",
      },
      body: emptyExport(settings.project),
    });
    if (answer.kind === "unreached") return unreachable(answer, url, "SEGUE_ARIZE_OTLP_URL");
    return foundOf(answer.status, url, settings);
  },
});

function foundOf(status: number, url: string, { project }: ArizeOtlpSettings): Found {
  switch (status) {
    case 200:
    case 202:
    case 204:
      return ok(`${url} took an empty export for the project '${project}'`);
    case 401:
      return fail(
        `${url} does not know the key (401)`,
        "Set SEGUE_ARIZE_API_KEY to a key of the space, of the same region.",
      );
    case 403:
      return fail(
        `${url} does not let this key send to the space (403)`,
        "Correct SEGUE_ARIZE_SPACE_ID, or take a key that may write traces of that space.",
      );
    case 404:
    case 405:
      return fail(
        `there is no collector at ${url} (${status})`,
        "Set SEGUE_ARIZE_OTLP_URL up to and including /v1, such as https://otlp.arize.com/v1 or that of your region.",
      );
    case 415:
      return fail(
        `${url} takes no protobuf (415)`,
        "SEGUE_ARIZE_OTLP_URL points at something else than an OTLP collector.",
      );
    case 429:
      return warn(
        `${url} asks to send less (429)`,
        "Nothing, if it passes: spans are buffered. Else lower segue-telemetry.",
      );
    case 500:
      return fail(
        `${url} failed (500), as Arize does where the project's name is missing`,
        "Set SEGUE_ARIZE_PROJECT to the project's name. If it is set, ask Arize's status page.",
      );
    default:
      return status === 400
        ? warn(
            `${url} let the key in but refused an export without spans (400)`,
            "Send one request and look for its span.",
          )
        : fail(`${url} answered ${status}`, "Try again later; see Arize's status page, and what lies between.");
  }
}
