/**
 * `etcd-bulkhead print-config`: what is in force, as a file that --config would take, with a remark behind each line that
 * says where the value came from. Secrets are only ever named as files, so nothing has to be left out.
 */
import { Document, isScalar, type Scalar } from 'yaml';
import type { EffectiveSetting } from '../config/config.ts';
import { isSettingName, settingOf } from '../config/schema.ts';
import { type Command, ExitCode } from './command.ts';
import { configure } from './configure.ts';

export const printConfig: Command = {
  name: 'print-config',
  summary: 'show the configuration in force, and where each value came from',
  async run(invocation) {
    const configured = await configure(printConfig, invocation);
    if (configured.config === null) return configured.exitCode;
    invocation.output.out(asFile(configured.config.effective));
    return ExitCode.OK;
  },
};

function asFile(effective: readonly EffectiveSetting[]): string {
  const document = new Document({});
  for (const { name, value, origin } of effective) {
    if (isSettingName(name) && settingOf(name).notInFile === true) continue;
    const node = document.createNode(value, { flow: isListOfTexts(value) });
    const key = document.createNode(name) as Scalar;
    if (isScalar(node) || isListOfTexts(value)) node.comment = ` ${origin}`;
    document.add(document.createPair(key, node));
  }
  return document.toString({ lineWidth: 0 });
}

function isListOfTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((element) => typeof element === 'string');
}
