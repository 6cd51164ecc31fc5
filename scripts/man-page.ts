/** The manual page etcd-bulkhead(8), from the table of settings and the list of commands. */
import { commands } from '../src/cli/cli.ts';
import { environmentName, settingNames, settingOf } from '../src/config/schema.ts';

/** `date` is an ISO date. */
export function manualPage(version: string, date: string): string {
  const listed = commands.map(
    ({ name, summary }) => `.TP\n.B ${roff(name)}\n${roff(sentence(summary))}`,
  );
  const settings = settingNames.map((name) => {
    const { default: value, doc } = settingOf(name);
    const fallback = value === '' ? '' : `\nDefault: ${roff(value)}.`;
    return `.TP\n.BR \\-\\-${roff(name)} ", " ${environmentName(name)}\n${roff(doc)}${fallback}`;
  });
  return `.TH ETCD-BULKHEAD 8 "${date}" "etcd-bulkhead ${version}"
.SH NAME
etcd-bulkhead \\- proxy for etcd that gives each tenant its own namespace
.SH SYNOPSIS
.B etcd-bulkhead
.RI [ command ]
.RI [ flags ]
.SH DESCRIPTION
etcd\\-bulkhead accepts clients of the etcd v3 API and forwards their calls to a cluster. Each tenant sees only the keys,
leases and watches of its own namespace. Circuit breakers and limits protect the cluster.
.SH COMMANDS
${listed.join('\n')}
.SH SETTINGS
Each setting is a flag, an environment variable, and a key of the file of
.BR \\-\\-config ,
without the dashes. A flag overrides the environment, and the environment overrides the file.
${settings.join('\n')}
.SH SIGNALS
.TP
.BR SIGTERM ", " SIGINT
Drain and stop. A second signal stops at once.
.TP
.B SIGHUP
Read the configuration again, and apply it if it is valid.
.SH EXIT STATUS
0 after a drain, 1 after a failure, 64 if the command line or the configuration is invalid.
.SH FILES
.TP
.I /etc/etcd\\-bulkhead/bulkhead.yaml
The configuration of the service.
.TP
.I /run/etcd\\-bulkhead
The sockets of listeners.
.SH SEE ALSO
.BR etcd (1),
.BR etcdctl (1)
`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** Escapes what roff would interpret. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gm, '\\&$1');
}
