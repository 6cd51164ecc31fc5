/** Where traces are exported, and which calls are traced. */
import type { ProblemReporter } from '../problem.ts';
import type { Settings } from '../schema.ts';

export interface TracingConfig {
  /** Of OTLP over HTTP, with the path of traces. */
  readonly url: string;
  /** The share of calls without a client's decision that are traced, from 0 to 1. */
  readonly ratio: number;
}

const tracesPath = '/v1/traces';

/** Null: tracing is off. */
export function readTracing(settings: Settings, report: ProblemReporter): TracingConfig | null {
  const ratio = readRatio(settings['trace-ratio']);
  if (ratio === null) report('trace-ratio', 'must be a number from 0 to 1');
  const text = settings['otlp-endpoint'];
  if (text === '') return null;
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    report('otlp-endpoint', 'must be a URL such as http://127.0.0.1:4318');
    return null;
  }
  if (url.username !== '' || url.password !== '') {
    report('otlp-endpoint', 'must not contain credentials: set OTEL_EXPORTER_OTLP_HEADERS');
  }
  const path = url.pathname.replace(/\/+$/, '');
  url.pathname = path.endsWith(tracesPath) ? path : path + tracesPath;
  return { url: url.href, ratio: ratio ?? 0 };
}

function readRatio(text: string): number | null {
  if (!/^(?:\d+\.?\d*|\.\d+)$/.test(text)) return null;
  const ratio = Number(text);
  return ratio <= 1 ? ratio : null;
}
