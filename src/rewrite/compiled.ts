/**
 * Compiles a field table into arrays, once at start-up: per message, what the scan does at each field number. Contains no
 * message bytes.
 */
import {
  fieldNumberMax,
  type MessageFields,
  type RequestRule,
  type RequestTable,
  type ResponseRule,
  type ResponseTable,
} from './field-table.ts';

/** What the scan does at a field. */
export const Action = {
  PASS: 0,
  // The field must be length-delimited.
  APPLY_KEY: 1,
  APPLY_KEY_OR_FIRST: 2,
  APPLY_NAME: 3,
  APPLY_RANGE_END: 4,
  STRIP_KEY: 5,
  STRIP_LISTED_KEY: 6,
  MESSAGE: 7,
  NESTED_MESSAGE: 8,
  // The field must be a varint.
  APPLY_LEASE: 9,
  APPLY_LEASE_NAME: 10,
  APPLY_LEASE_OPERAND: 11,
  STRIP_LEASE: 12,
  STRIP_LISTED_LEASE: 13,
  CHECK_ENUM: 14,
  /** A field of a request that the table does not know. */
  REFUSE: 15,
} as const;

/** Actions up to this one need a length-delimited field, later ones a varint, except REFUSE. */
export const lengthDelimitedMax: number = Action.NESTED_MESSAGE;

/** What the scan does at the end of a message that lacks a required field. */
export const IfMissing = {
  NOTHING: 0,
  KEY_EMPTY: 1,
  OPERATION_EMPTY: 2,
  VIOLATION: 3,
  OMIT_MESSAGE: 4,
} as const;

export class CompiledMessage {
  /** For error messages. */
  readonly name: string;
  /** The action of fields with a number above those of `actions`. */
  readonly otherAction: number;
  /** By field number. */
  readonly actions = new Uint8Array(fieldNumberMax + 1);
  /** By field number: the bit of a field that may occur once. Members of a oneof share a bit. 0: the field may repeat. */
  readonly singularBits = new Int32Array(fieldNumberMax + 1);
  /** By field number. */
  readonly enumMaxes = new Uint8Array(fieldNumberMax + 1);
  /** By field number. */
  readonly children: (CompiledMessage | null)[] = new Array(fieldNumberMax + 1).fill(null);
  /** False if messages of this type pass without a scan. */
  hasRules = false;
  /** Singular bits of the required fields. */
  requiredBits = 0;
  ifMissing: number = IfMissing.NOTHING;
  /** Numbers of the fields that get a default if absent. The default depends on the action. */
  readonly defaultFields: number[] = [];

  constructor(name: string, otherAction: number) {
    this.name = name;
    this.otherAction = otherAction;
    this.actions.fill(otherAction);
  }
}

interface CompiledRule {
  readonly action: number;
  readonly ifMissing?: number;
  readonly hasDefault?: true;
}

const requestRules: { readonly [rule in Extract<RequestRule, string>]: CompiledRule } = {
  key: { action: Action.APPLY_KEY, ifMissing: IfMissing.KEY_EMPTY },
  keyOrFirst: { action: Action.APPLY_KEY_OR_FIRST, hasDefault: true },
  name: { action: Action.APPLY_NAME, hasDefault: true },
  rangeEnd: { action: Action.APPLY_RANGE_END },
  lease: { action: Action.APPLY_LEASE },
  leaseName: { action: Action.APPLY_LEASE_NAME, hasDefault: true },
  leaseOperand: { action: Action.APPLY_LEASE_OPERAND },
};

const responseRules: { readonly [rule in Extract<ResponseRule, string>]: CompiledRule } = {
  key: { action: Action.STRIP_KEY, ifMissing: IfMissing.VIOLATION },
  listedKey: { action: Action.STRIP_LISTED_KEY },
  lease: { action: Action.STRIP_LEASE },
  listedLease: { action: Action.STRIP_LISTED_LEASE, ifMissing: IfMissing.OMIT_MESSAGE },
};

export function compileRequests(table: RequestTable): ReadonlyMap<string, CompiledMessage> {
  return compileTable(table, (rule) => requestRules[rule], Action.REFUSE);
}

export function compileResponses(table: ResponseTable): ReadonlyMap<string, CompiledMessage> {
  return compileTable(table, (rule) => responseRules[rule], Action.PASS);
}

type Rule<Name extends string> =
  | Name
  | Extract<RequestRule, { readonly enumMax: number }>
  | Exclude<ResponseRule, string>;

function compileTable<Name extends string>(
  table: { readonly [message: string]: MessageFields<Rule<Name>> },
  compileRule: (rule: Name) => CompiledRule,
  otherAction: number,
): ReadonlyMap<string, CompiledMessage> {
  const names = Object.keys(table);
  const compiled = new Map(names.map((name) => [name, new CompiledMessage(name, otherAction)]));
  for (const [name, { fields, plain = [], oneof = [], oneofRequired }] of Object.entries(table)) {
    const message = messageNamed(compiled, name);
    for (const number of plain) message.actions[fieldNumber(number)] = Action.PASS;
    message.hasRules = otherAction === Action.REFUSE;
    let nextBit = 1;
    const takeBit = (): number => {
      const bit = nextBit;
      nextBit <<= 1;
      return bit;
    };
    if (oneof.length > 0) {
      const shared = takeBit();
      for (const number of oneof) message.singularBits[fieldNumber(number)] = shared;
      if (oneofRequired) requireField(message, shared, IfMissing.OPERATION_EMPTY);
    }
    for (const [text, rule] of Object.entries(fields)) {
      const number = fieldNumber(Number(text));
      message.hasRules = true;
      if (typeof rule === 'object' && 'enumMax' in rule) {
        message.actions[number] = Action.CHECK_ENUM;
        message.enumMaxes[number] = rule.enumMax;
        continue;
      }
      const repeats = rule === 'listedKey' || (typeof rule === 'object' && 'each' in rule);
      if (!repeats && message.singularBits[number] === 0) message.singularBits[number] = takeBit();
      if (typeof rule === 'object') {
        const child = 'one' in rule ? rule.one : 'each' in rule ? rule.each : rule.nested;
        message.actions[number] = 'nested' in rule ? Action.NESTED_MESSAGE : Action.MESSAGE;
        message.children[number] = messageNamed(compiled, child);
        continue;
      }
      const { action, ifMissing, hasDefault } = compileRule(rule);
      message.actions[number] = action;
      if (ifMissing !== undefined) {
        requireField(message, message.singularBits[number] ?? 0, ifMissing);
      }
      if (hasDefault) message.defaultFields.push(number);
    }
  }
  return compiled;
}

function requireField(message: CompiledMessage, bit: number, ifMissing: number): void {
  if (message.ifMissing !== IfMissing.NOTHING && message.ifMissing !== ifMissing) {
    throw new Error('a message can have only one kind of required field');
  }
  message.ifMissing = ifMissing;
  message.requiredBits |= bit;
}

function messageNamed(
  compiled: ReadonlyMap<string, CompiledMessage>,
  name: string,
): CompiledMessage {
  const message = compiled.get(name);
  if (message === undefined) throw new Error(`no message ${name} in the table`);
  return message;
}

function fieldNumber(number: number): number {
  if (number < 1 || number > fieldNumberMax) throw new Error(`field number ${number}`);
  return number;
}
