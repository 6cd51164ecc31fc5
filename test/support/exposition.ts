/** Metrics as a page in Prometheus' text format has them. */
import type { RunningProxy } from '../../src/proxy/proxy.ts';

interface Sample {
  /** The name with its labels, as on the page. */
  readonly series: string;
  readonly name: string;
  readonly labels: string;
  readonly value: number;
}

export class Exposition {
  readonly #samples: readonly Sample[];

  constructor(page: string) {
    const lines = page.matchAll(/^(([a-zA-Z_:][\w:]*)(?:\{(.*)\})?) (\S+)$/gm);
    this.#samples = Array.from(lines, ([, series = '', name = '', labels = '', value]) => ({
      series,
      name,
      labels,
      value: Number(value),
    }));
  }

  /** The value of one series, for example `workers` or `calls{method="Put"}`. Null if the page does not have it. */
  value(series: string): number | null {
    return this.#samples.find((sample) => sample.series === series)?.value ?? null;
  }

  /** The sum over the series of a metric, or over those that have a label, for example `method="Put"`. */
  sum(metric: string, label = ''): number {
    let sum = 0;
    for (const { name, labels, value } of this.#samples) {
      if (name === metric && labels.includes(label)) sum += value;
    }
    return sum;
  }

  /** The values of a metric by one of its labels. The key of a series without this label is empty. */
  byLabel(metric: string, label: string): ReadonlyMap<string, number> {
    const pattern = new RegExp(`\\b${label}="([^"]*)"`);
    return new Map(
      this.#samples
        .filter(({ name }) => name === metric)
        .map(({ labels, value }) => [pattern.exec(labels)?.[1] ?? '', value]),
    );
  }
}

/** The value of one series of a proxy that has an admin address. */
export async function metric(
  { adminAddress }: Pick<RunningProxy, 'adminAddress'>,
  series: string,
): Promise<number | null> {
  const page = await fetch(`http://${adminAddress}/metrics`);
  return new Exposition(await page.text()).value(series);
}
