/** The content of docs/advice.md, generated from the rules of the advice. */
import { findingNames, ruleOf } from '../src/observe/advice/findings.ts';

export function advicePage(): string {
  const sections = findingNames.map((name) => {
    const { when, why, text, otherText } = ruleOf(name);
    const what = [text, ...(otherText === undefined ? [] : [otherText])];
    return `### \`${name}\`
**When.** ${when}

**Why.** ${why}

**What to do.** ${what.join(' For a key that is mostly read: ')}
`;
  });
  return `# Advice
The proxy observes samples of the calls of each tenant. It shows which keys and prefixes are busy, and reports findings: traffic
that costs the cluster or the client more than necessary, with a sentence that says what to do. It is on by default
(\`--advice=off\`), and operators alone see it:

| where | what |
| --- | --- |
| \`/advicez\` on the admin address | per tenant the ten busiest keys and prefixes, and the findings, as JSON |
| \`etcd-bulkhead top\` | the same in a terminal, beside the calls of each tenant ([top.md](top.md)) |
| a log line \`finding\` | at most once per hour, tenant and finding ([logs.md](logs.md)) |
| \`etcd_bulkhead_findings{finding}\` | how many tenants have the finding at present |

\`/advicez\` shows visible keys in printable form, as \`/watchz\` shows ranges. Log lines show them as \`--log-keys\` says.

## How it counts
* About 100 calls per second of the process are inspected, chosen at random; all of them while there are fewer. Figures are scaled
  to all calls. Leases, keepalives, connections, large values and large ranges are counted exactly.
* Old traffic fades: figures describe about the last ten minutes. \`seconds\` is the time that they cover, so a rate is
  \`calls / seconds\`. A finding needs at least a minute of observation. It ends when its figure is below half of the threshold.
* A sketch of bounded size holds the busiest keys (32 per tenant) and prefixes (24). A count is never too low by more than the
  sampling, and keys with less than a hundredth of the calls are not shown. Prefixes end in a slash, up to three levels. A
  range counts for the prefixes of its first key. Of a longer key the first 128 bytes count.
* Memory is at most about 15 KB per tenant, for at most 1,000 tenants. Tenants without calls for ten minutes are forgotten. Samples
  of further tenants are discarded, and \`etcd_bulkhead_advice_untracked_samples_total\` counts them.
* With \`--workers\` each worker observes its own calls and applies the thresholds to them. \`/advicez\` sums calls and rates.
* The cost is in [performance.md](performance.md), the reasons are in [ADR 28](adr/0028-advice-from-samples.md).

## Findings
This page is generated from [src/observe/advice/findings.ts](../src/observe/advice/findings.ts) by \`npm run docs:generate\`.

${sections.join('\n')}`;
}
