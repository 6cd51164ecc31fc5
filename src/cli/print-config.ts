/**
 * `etcd-bulkhead print-config`: prints the effective configuration as a file for --config, with the origin of each value
 * in a comment. Secrets are configured as names of files, so nothing needs to be redacted.
 */
import type { Scalar } from 'yaml';
import type { EffectiveSetting } from '../config/config.ts';
import { isSettingName, settingOf } from '../config/schema.ts';
import { yaml } from '../config/yaml.ts';
import { type Command, ExitCode } from './command.ts';
import { configure } from './configure.ts';

export const printConfig: Command = {
  name: 'print-config',
  summary: 'print the effective configuration and the origin of each value',
  async run(invocation) {
    const configured = await configure(printConfig, invocation);
    if (configured.config === null) return configured.exitCode;
    invocation.output.out(asFile(configured.config.effective));
    return ExitCode.OK;
  },
};

function asFile(effective: readonly EffectiveSetting[]): string {
  const { Document, isScalar } = yaml();
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
