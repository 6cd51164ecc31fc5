/**
 * Parses the configuration file (YAML; JSON is a subset) into texts with their line numbers. This file checks keys and
 * their structure; values.ts, resolve.ts and sections/ interpret the values. It does not access the disk.
 */
import type { Document, LineCounter, Node } from 'yaml';
import { type Problem, suggestion } from './problem.ts';
import { isSettingName, type SettingName, settingNames, settingOf } from './schema.ts';
import { yaml } from './yaml.ts';

/** The unparsed value of one setting and its origin. Has several texts for a repeated flag or a list. */
export interface RawValue {
  readonly texts: readonly string[];
  readonly where: string;
  /** A list of the file. Each of its texts is one element, and may contain commas. */
  readonly isList?: boolean;
}

/** One element of `tenants` or `listeners`. */
export interface ListEntry<Key extends string> {
  /** The line on which it begins. */
  readonly where: string;
  readonly fields: ReadonlyMap<Key, RawValue>;
}

export interface ConfigFile {
  readonly settings: ReadonlyMap<SettingName, RawValue>;
  /** Null if the file does not contain the list. */
  readonly tenants: readonly ListEntry<TenantKey>[] | null;
  readonly listeners: readonly ListEntry<ListenerKey>[] | null;
  readonly problems: readonly Problem[];
}

const tenantKeys = [
  ...['name', 'namespace', 'allow-undelimited', 'share-watches', 'cache-reads'],
  'pass-unknown-fields',
  ...['access', 'role', 'owner-methods', 'identities'],
  ...['max-calls-per-second', 'max-call-burst', 'max-open-calls', 'max-open-streams'],
  ...['max-open-watches', 'max-leases-per-minute', 'max-request-bytes'],
] as const;
export type TenantKey = (typeof tenantKeys)[number];

/** The keys of a listener that name a file. */
export const listenerFileKeys = [
  ...['cert-file', 'key-file', 'trusted-ca-file', 'client-crl-file'],
] as const;
/** The keys of a listener that replace the setting with the same name. */
export const socketKeys = ['socket-mode', 'socket-group'] as const;
const listenerKeys = [
  ...['address', 'tenant', 'identify', 'pass-credentials'],
  ...socketKeys,
  ...listenerFileKeys,
] as const;
export type ListenerKey = (typeof listenerKeys)[number];

export interface FileText {
  /** The file name in problems and origins. */
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
  readonly #yaml = yaml();
  readonly #lines: LineCounter = new this.#yaml.LineCounter();
  readonly #document: Document.Parsed;
  readonly #problems: Problem[] = [];

  constructor(name: string, text: string) {
    this.#name = name;
    // Only the `source` of a scalar is used, not its YAML value: 0x10 and 1e3 must not be converted to numbers.
    this.#document = this.#yaml.parseDocument(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
    });
  }

  read(): ConfigFile {
    const settings = new Map<SettingName, RawValue>();
    let tenants: ConfigFile['tenants'] = null;
    let listeners: ConfigFile['listeners'] = null;
    for (const error of [...this.#document.errors, ...this.#document.warnings]) {
      this.#report(this.#whereAt(error.pos[0]), `invalid YAML: ${error.message}`);
    }
    const root = this.#document.errors.length === 0 ? this.#document.contents : null;
    for (const [key, { node, where }] of this.#pairs(root, topLevelKeys, 'the file')) {
      if (key === 'tenants') tenants = this.#entries(key, node, where, tenantKeys);
      else if (key === 'listeners') listeners = this.#entries(key, node, where, listenerKeys);
      else if (isSettingName(key)) {
        const texts = this.#texts(key, node, where);
        const isList = this.#yaml.isSeq(this.#resolved(node));
        if (texts !== undefined) settings.set(key, { texts, where, isList });
      }
    }
    return { settings, tenants, listeners, problems: this.#problems };
  }

  #entries<Key extends string>(
    key: string,
    node: unknown,
    where: string,
    keys: readonly Key[],
  ): readonly ListEntry<Key>[] {
    const list = this.#resolved(node);
    if (!this.#yaml.isSeq(list)) {
      this.#report(where, `"${key}" must be a list`);
      return [];
    }
    return list.items.map((item) => {
      const fields = new Map<Key, RawValue>();
      const begin = this.#where(item, where);
      for (const [name, field] of this.#pairs(item, keys, `an entry of "${key}"`, begin)) {
        const texts = this.#texts(name, field.node, field.where);
        if (texts !== undefined) fields.set(name, { texts, where: field.where });
      }
      return { where: begin, fields };
    });
  }

  /** The known keys of a map. Reports all other keys. `subject` names the map in problems. */
  #pairs<Key extends string>(
    node: unknown,
    known: readonly Key[],
    subject: string,
    where = this.#name,
  ): Map<Key, { readonly node: unknown; readonly where: string }> {
    const pairs = new Map<Key, { readonly node: unknown; readonly where: string }>();
    const map = this.#resolved(node);
    if (map === null) return pairs;
    if (!this.#yaml.isMap(map)) {
      this.#report(where, `${subject} must consist of key-value pairs`);
      return pairs;
    }
    for (const { key, value } of map.items) {
      const name = this.#yaml.isScalar(key) ? String(key.value) : '';
      const at = this.#where(key, where);
      const found = known.find((each) => each === name);
      if (found !== undefined) pairs.set(found, { node: value, where: at });
      else this.#report(at, `unknown key "${name}"${suggestion(name, known)}`);
    }
    return pairs;
  }

  #texts(key: string, node: unknown, where: string): readonly string[] | undefined {
    const value = this.#resolved(node);
    const scalars = this.#yaml.isSeq(value)
      ? value.items.map((item) => this.#resolved(item))
      : [value];
    const texts: string[] = [];
    for (const scalar of scalars) {
      if (!this.#yaml.isScalar(scalar) || scalar.value === null) {
        const rule = this.#yaml.isScalar(scalar)
          ? 'must not be empty'
          : 'must be a value or a list of values';
        this.#report(where, `"${key}" ${rule}`);
        return undefined;
      }
      texts.push(scalar.source ?? String(scalar.value));
    }
    return texts;
  }

  #resolved(node: unknown): unknown {
    return this.#yaml.isAlias(node) ? node.resolve(this.#document) : node;
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
