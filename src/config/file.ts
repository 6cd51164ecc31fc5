/**
 * The configuration file → texts with their lines. YAML; JSON is a part of it. This knows which keys there are and which
 * shape they have, and leaves the meaning of values to values.ts and resolve.ts. It reads a text, not a disk.
 */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
} from 'yaml';
import { type Problem, suggestion } from './problem.ts';
import { isSettingName, type SettingName, settingNames, settingOf } from './schema.ts';

/** What was said for one setting, and where. Several texts: it was repeated, or is a list. */
export interface RawValue {
  readonly texts: readonly string[];
  readonly where: string;
}

/** One element of `tenants` or `listeners`: its keys, and where it begins. */
export interface ListEntry {
  readonly where: string;
  readonly fields: ReadonlyMap<string, RawValue>;
}

export interface ConfigFile {
  readonly settings: ReadonlyMap<SettingName, RawValue>;
  /** Null when the file does not speak of it. */
  readonly tenants: readonly ListEntry[] | null;
  readonly listeners: readonly ListEntry[] | null;
  readonly problems: readonly Problem[];
}

export const tenantKeys = [
  ...['name', 'namespace', 'lease-tag', 'allow-undelimited'],
  ...['access', 'role', 'owner-methods', 'identities'],
] as const;
export const listenerKeys = [
  ...['address', 'tenant', 'identify', 'pass-credentials'],
  ...['cert-file', 'key-file', 'trusted-ca-file'],
] as const;

export interface FileText {
  /** What problems call the file. */
  readonly name: string;
  readonly text: string;
}

export function readConfigFile({ name, text }: FileText): ConfigFile {
  return new FileReader(name, text).read();
}

const topLevelKeys = [
  ...settingNames.filter((name) => settingOf(name).notInFile !== true),
  'tenants',
  'listeners',
];

class FileReader {
  readonly #name: string;
  readonly #lines = new LineCounter();
  readonly #document: Document.Parsed;
  readonly #problems: Problem[] = [];

  constructor(name: string, text: string) {
    this.#name = name;
    // `source` of a scalar is used, never its value: 0x10 or 1e3 must not turn into something nobody wrote.
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
  }

  read(): ConfigFile {
    const settings = new Map<SettingName, RawValue>();
    let tenants: readonly ListEntry[] | null = null;
    let listeners: readonly ListEntry[] | null = null;
    for (const error of [...this.#document.errors, ...this.#document.warnings]) {
      this.#report(this.#whereAt(error.pos[0]), `is not valid YAML: ${error.message}`);
    }
    const root = this.#document.errors.length === 0 ? this.#document.contents : null;
    for (const [key, { node, where }] of this.#pairs(root, topLevelKeys, 'settings')) {
      if (key === 'tenants') tenants = this.#entries(key, node, where, tenantKeys);
      else if (key === 'listeners') listeners = this.#entries(key, node, where, listenerKeys);
      else if (isSettingName(key)) {
        const texts = this.#texts(key, node, where);
        if (texts !== undefined) settings.set(key, { texts, where });
      }
    }
    return { settings, tenants, listeners, problems: this.#problems };
  }

  #entries(
    key: string,
    node: unknown,
    where: string,
    keys: readonly string[],
  ): readonly ListEntry[] {
    const list = this.#resolved(node);
    if (!isSeq(list)) {
      this.#report(where, `"${key}" must be a list`);
      return [];
    }
    return list.items.map((item) => {
      const fields = new Map<string, RawValue>();
      const begin = this.#where(item, where);
      for (const [name, field] of this.#pairs(item, keys, key, begin)) {
        const texts = this.#texts(name, field.node, field.where);
        if (texts !== undefined) fields.set(name, { texts, where: field.where });
      }
      return { where: begin, fields };
    });
  }

  /** The known keys of a map; all others are reported. */
  #pairs(
    node: unknown,
    known: readonly string[],
    of: string,
    where = this.#name,
  ): Map<string, { readonly node: unknown; readonly where: string }> {
    const pairs = new Map<string, { readonly node: unknown; readonly where: string }>();
    const map = this.#resolved(node);
    if (map === null) return pairs;
    if (!isMap(map)) {
      this.#report(where, `${of}: expected keys with values`);
      return pairs;
    }
    for (const { key, value } of map.items) {
      const name = isScalar(key) ? String(key.value) : '';
      const at = this.#where(key, where);
      if (known.includes(name)) pairs.set(name, { node: value, where: at });
      else this.#report(at, `unknown key "${name}"${suggestion(name, known)}`);
    }
    return pairs;
  }

  #texts(key: string, node: unknown, where: string): readonly string[] | undefined {
    const value = this.#resolved(node);
    const scalars = isSeq(value) ? value.items.map((item) => this.#resolved(item)) : [value];
    const texts: string[] = [];
    for (const scalar of scalars) {
      if (!isScalar(scalar) || scalar.value === null) {
        this.#report(where, `"${key}" must be a value${isScalar(scalar) ? ', not empty' : ''}`);
        return undefined;
      }
      texts.push(scalar.source ?? String(scalar.value));
    }
    return texts;
  }

  #resolved(node: unknown): unknown {
    return isAlias(node) ? node.resolve(this.#document) : node;
  }

  #where(node: unknown, otherwise: string): string {
    const range = (node as Node | null)?.range;
    return range == null ? otherwise : this.#whereAt(range[0]);
  }

  #whereAt(offset: number): string {
    return `${this.#name}:${this.#lines.linePos(offset).line}`;
  }

  #report(where: string, what: string): void {
    this.#problems.push({ where, what });
  }
}
