/**
 * A table turned into arrays, once, at start-up: per message one small array that says what to do at a field number. Pure
 * data for the scan; nothing here sees a message.
 */
import {
  fieldNumberMax,
  type MessageFields,
  type RequestRule,
  type RequestTable,
  type ResponseRule,
  type ResponseTable,
} from './field-table.ts';

/** What the scan does at a field. Up to `lastOfBytes` the field must be length-delimited, after it a varint. */
export const Action = {
  PASS: 0,
  APPLY_KEY: 1,
  APPLY_KEY_OR_FIRST: 2,
  APPLY_NAME: 3,
  APPLY_RANGE_END: 4,
  STRIP_KEY: 5,
  STRIP_LISTED_KEY: 6,
  MESSAGE: 7,
  NESTED_MESSAGE: 8,
  lastOfBytes: 8,
  APPLY_LEASE: 9,
  APPLY_LEASE_NAME: 10,
  APPLY_LEASE_OPERAND: 11,
  STRIP_LEASE: 12,
  STRIP_LISTED_LEASE: 13,
  CHECK_ENUM: 14,
} as const;

/** What a message is in want of when the scan has reached its end and a field of `required` was not there. */
export const Want = { NOTHING: 0, KEY: 1, OPERATION: 2, OWN_KEY: 3, OWN_LEASE: 4 } as const;

export class CompiledMessage {
  /** By field number. */
  readonly actions = new Uint8Array(fieldNumberMax + 1);
  /** By field number: the bit that an occurrence claims; members of a oneof share one. 0: may occur again. */
  readonly claims = new Int32Array(fieldNumberMax + 1);
  readonly enumMaxes = new Uint8Array(fieldNumberMax + 1);
  readonly children: (CompiledMessage | null)[] = new Array(fieldNumberMax + 1).fill(null);
  /** False when a whole message passes unread. */
  hasRules = false;
  /** The claim that must have been satisfied at the end of the message, and what is missing if it was not. */
  required = 0;
  want: number = Want.NOTHING;
  /** The fields that get a default when they are absent; their actions say which. */
  readonly defaultFields: number[] = [];
}

type Step = { readonly action: number; readonly want?: number; readonly hasDefault?: true };

const requestSteps: { readonly [rule in Extract<RequestRule, string>]: Step } = {
  key: { action: Action.APPLY_KEY, want: Want.KEY },
  keyOrFirst: { action: Action.APPLY_KEY_OR_FIRST, hasDefault: true },
  name: { action: Action.APPLY_NAME, hasDefault: true },
  rangeEnd: { action: Action.APPLY_RANGE_END },
  lease: { action: Action.APPLY_LEASE },
  leaseName: { action: Action.APPLY_LEASE_NAME, hasDefault: true },
  leaseOperand: { action: Action.APPLY_LEASE_OPERAND },
};

const responseSteps: { readonly [rule in Extract<ResponseRule, string>]: Step } = {
  key: { action: Action.STRIP_KEY, want: Want.OWN_KEY },
  listedKey: { action: Action.STRIP_LISTED_KEY },
  lease: { action: Action.STRIP_LEASE },
  listedLease: { action: Action.STRIP_LISTED_LEASE, want: Want.OWN_LEASE },
};

export function compileRequests(table: RequestTable): ReadonlyMap<string, CompiledMessage> {
  return compileTable(table, (rule) => requestSteps[rule]);
}

export function compileResponses(table: ResponseTable): ReadonlyMap<string, CompiledMessage> {
  return compileTable(table, (rule) => responseSteps[rule]);
}

type Rule<Name extends string> =
  | Name
  | Extract<RequestRule, { readonly enumMax: number }>
  | Exclude<ResponseRule, string>;

function compileTable<Name extends string>(
  table: { readonly [message: string]: MessageFields<Rule<Name>> },
  stepOf: (rule: Name) => Step,
): ReadonlyMap<string, CompiledMessage> {
  const names = Object.keys(table);
  const compiled = new Map(names.map((name) => [name, new CompiledMessage()]));
  for (const [name, { fields, oneof = [], oneofRequired }] of Object.entries(table)) {
    const message = known(compiled, name);
    let nextClaim = 1;
    const claim = (): number => {
      const bit = nextClaim;
      nextClaim <<= 1;
      return bit;
    };
    if (oneof.length > 0) {
      const shared = claim();
      for (const number of oneof) message.claims[inRange(number)] = shared;
      if (oneofRequired) require(message, shared, Want.OPERATION);
    }
    for (const [text, rule] of Object.entries(fields)) {
      const number = inRange(Number(text));
      message.hasRules = true;
      if (typeof rule === 'object' && 'enumMax' in rule) {
        message.actions[number] = Action.CHECK_ENUM;
        message.enumMaxes[number] = rule.enumMax;
        continue;
      }
      const repeats = rule === 'listedKey' || (typeof rule === 'object' && 'each' in rule);
      if (!repeats && message.claims[number] === 0) message.claims[number] = claim();
      if (typeof rule === 'object') {
        const child = 'one' in rule ? rule.one : 'each' in rule ? rule.each : rule.nested;
        message.actions[number] = 'nested' in rule ? Action.NESTED_MESSAGE : Action.MESSAGE;
        message.children[number] = known(compiled, child);
        continue;
      }
      const step = stepOf(rule);
      message.actions[number] = step.action;
      if (step.want !== undefined) require(message, message.claims[number] ?? 0, step.want);
      if (step.hasDefault) message.defaultFields.push(number);
    }
  }
  return compiled;
}

function require(message: CompiledMessage, claim: number, want: number): void {
  if (message.want !== Want.NOTHING && message.want !== want) {
    throw new Error('a message can be in want of one kind of field only');
  }
  message.want = want;
  message.required |= claim;
}

function known(compiled: ReadonlyMap<string, CompiledMessage>, name: string): CompiledMessage {
  const message = compiled.get(name);
  if (message === undefined) throw new Error(`no message ${name} in the table`);
  return message;
}

function inRange(number: number): number {
  if (number < 1 || number > fieldNumberMax) throw new Error(`field number ${number}`);
  return number;
}
