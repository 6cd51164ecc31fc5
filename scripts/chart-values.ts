/**
 * The table of values in the chart's README, from the comments of values.yaml. What counts as one value is in
 * values.schema.json: an object that has no properties there is one.
 */
import { parse } from 'yaml';

export interface ChartValue {
  /** For example `etcd.tls.secretName`. */
  readonly path: string;
  readonly fallback: unknown;
  /** The comment of the value and, if it has none, that of the object it is in. */
  readonly description: string;
}

interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>;
}

export function chartValues(valuesText: string, schemaText: string): readonly ChartValue[] {
  const comments = commentsOf(valuesText);
  const values: ChartValue[] = [];
  const visit = (value: unknown, node: SchemaNode, path: readonly string[]): void => {
    if (node.properties === undefined || !isRecord(value)) {
      const own = comments.get(path.join('.')) ?? comments.get(path.slice(0, -1).join('.'));
      values.push({ path: path.join('.'), fallback: value, description: own ?? '' });
      return;
    }
    for (const [name, child] of Object.entries(value)) {
      visit(child, node.properties[name] ?? {}, [...path, name]);
    }
  };
  visit(parse(valuesText), JSON.parse(schemaText) as SchemaNode, []);
  return values;
}

export function chartValuesTable(valuesText: string, schemaText: string): string {
  const rows = chartValues(valuesText, schemaText).map(({ path, fallback, description }) => {
    const value = JSON.stringify(fallback);
    return `| \`${path}\` | \`${value}\` | ${description.replaceAll('|', '\\|')} |`;
  });
  return ['| value | default | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}

/** The comment lines directly above each key, by path. Comments that are YAML themselves are examples and do not count. */
function commentsOf(text: string): ReadonlyMap<string, string> {
  const comments = new Map<string, string>();
  const path: { readonly name: string; readonly indent: number }[] = [];
  let lines: string[] = [];
  for (const line of text.split('\n')) {
    const comment = /^ *# ?(.*)$/.exec(line)?.[1];
    const key = /^( *)([\w-]+):/.exec(line);
    if (comment !== undefined) {
      lines.push(comment);
      continue;
    }
    if (key !== null) {
      const indent = key[1]?.length ?? 0;
      while ((path.at(-1)?.indent ?? -1) >= indent) path.pop();
      path.push({ name: key[2] ?? '', indent });
      if (lines.length > 0) comments.set(path.map(({ name }) => name).join('.'), lines.join(' '));
    }
    lines = [];
  }
  return comments;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
