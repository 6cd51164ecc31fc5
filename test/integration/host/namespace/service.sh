#!/bin/bash
# Installs the Debian package and takes its service through its life, under a real systemd. Prints name=value lines, which
# service.test.ts compares.
set -eu
# For the message of a test that fails.
trap 'systemctl status etcd-bulkhead.service >&2 || true' ERR

show() { systemctl show --value --property "$2" "$1"; }
service() { show etcd-bulkhead.service "$1"; }
report() { echo "$1=$2"; }

# Repeats a command until it succeeds, for 20 seconds.
eventually() {
  for _ in $(seq 200); do
    if "$@" 2> /dev/null; then return; fi
    sleep 0.1
  done
  echo "not reached: $*" >&2
  exit 1
}

etcdctl() { ETCDCTL_API=3 command etcdctl --dial-timeout=5s --command-timeout=5s "$@"; }
# As a user that has only the given group.
as_group() { setpriv --reuid 4242 --regid "$1" --clear-groups bash -c 'ETCDCTL_API=3 etcdctl --command-timeout=2s "$@"' - "${@:2}"; }

# The package.
dpkg --force-unsafe-io --install /shared/*.deb > /shared/dpkg 2>&1
report user "$(id --user --name etcd-bulkhead)"
report configuration "$(stat --format '%a %U %G' /etc/etcd-bulkhead/bulkhead.yaml)"
report sockets "$(stat --format '%a %U %G' /run/etcd-bulkhead)"
report version "$(etcd-bulkhead --version | cut --delimiter ' ' --fields 2)"
# Its exposure on the scale of systemd-analyze, from 0 to 100. The documented value is the limit.
report verified "$(systemd-analyze verify --man=no etcd-bulkhead.service 2>&1 | grep -c etcd-bulkhead || true)"
unit=$(service FragmentPath)
report exposed "$(systemd-analyze security --offline=true --threshold=17 "$unit" > /shared/security && echo no || echo yes)"
manual() { LC_ALL=C.UTF-8 man --warnings etcd-bulkhead 2>&1 > /dev/null | wc --lines; }
report manual "$(command -v man > /dev/null && echo "$(manual) warnings" || echo 'no man here')"
report started-by-installation "$(service ActiveState)"

# The host: an etcd, and a group for each tenant.
groupadd --gid 4301 lobby
groupadd --gid 4302 match
etcd --data-dir /tmp/etcd --unsafe-no-fsync --listen-client-urls http://127.0.0.1:12379 \
  --advertise-client-urls http://127.0.0.1:12379 --listen-peer-urls http://127.0.0.1:12380 --log-level error &
write_configuration() {
  cat > /etc/etcd-bulkhead/bulkhead.yaml << YAML
endpoints: [http://127.0.0.1:12379]
tenants: [{ name: lobby, namespace: lobby/ }, { name: match, namespace: match/ }]
listeners:
  - { address: unix:///run/etcd-bulkhead/lobby.sock, tenant: lobby, socket-group: lobby }
  - { address: unix:///run/etcd-bulkhead/match.sock, tenant: match, socket-group: match }
$1
drain-window: 0s
YAML
}
write_configuration ''
# A shorter watchdog, and the log in a file, as there is no journal here. The rest is the unit of the package.
mkdir -p /etc/systemd/system/etcd-bulkhead.service.d
cat > /etc/systemd/system/etcd-bulkhead.service.d/test.conf << 'UNIT'
[Unit]
DefaultDependencies=no
[Service]
SupplementaryGroups=lobby match
StandardOutput=append:/shared/log
StandardError=append:/shared/log
WatchdogSec=4s
TimeoutAbortSec=1s
UNIT
systemctl daemon-reload

# Start: returns when READY=1 has arrived.
systemctl start etcd-bulkhead.service
report state "$(service ActiveState)"
report status "$(service StatusText)"
report capabilities "$(grep CapEff "/proc/$(service MainPID)/status" | cut --fields 2)"
report filter "$(grep Seccomp: "/proc/$(service MainPID)/status" | cut --fields 2)"
report socket "$(stat --format '%a %U %G' /run/etcd-bulkhead/lobby.sock)"

# Tenants, by the group of the socket.
lobby=unix:///run/etcd-bulkhead/lobby.sock match=unix:///run/etcd-bulkhead/match.sock
eventually etcdctl --endpoints 127.0.0.1:12379 get health > /dev/null
report put "$(as_group 4301 --endpoints $lobby put a of-lobby)"
report stored "$(etcdctl --endpoints 127.0.0.1:12379 get --prefix '' | tr '\n' ' ')"
report other-group "$(as_group 4302 --endpoints $lobby get a > /dev/null 2>&1 && echo allowed || echo refused)"
report other-tenant "$(as_group 4302 --endpoints $match get a | wc --lines)"

# Reload: another listener.
write_configuration '  - { address: 127.0.0.1:2379, tenant: lobby }'
systemctl reload etcd-bulkhead.service
is_status() { [ "$(service StatusText)" = "$1" ]; }
eventually is_status 'serving on 3 addresses'
eventually etcdctl --endpoints 127.0.0.1:2379 get a > /dev/null
report reloaded "$(etcdctl --endpoints 127.0.0.1:2379 get --print-value-only a) $(service ActiveState)"

# Watchdog: pings for longer than its interval, then a process that does not run.
sleep 5
report restarts-while-pinged "$(service NRestarts)"
kill -STOP "$(service MainPID)"
is_restarted() { [ "$(service NRestarts)" = 1 ] && [ "$(service ActiveState)" = active ]; }
eventually is_restarted
report restarts-of-hung-process "$(service NRestarts)"
report served-again "$(as_group 4301 --endpoints $lobby get --print-value-only a)"

# Upgrade: the running service is restarted, and the configuration is kept.
before=$(service MainPID)
dpkg --force-unsafe-io --install /shared/*.deb >> /shared/dpkg 2>&1
report upgrade "$([ "$(service MainPID)" != "$before" ] && service ActiveState)"
report kept "$(grep --count 127.0.0.1:2379 /etc/etcd-bulkhead/bulkhead.yaml)"

# Stop: a watch is open, and ends.
etcdctl --endpoints 127.0.0.1:2379 watch a > /dev/null 2>&1 &
watch=$!
sleep 0.5
systemctl stop etcd-bulkhead.service
kill $watch 2> /dev/null || true
report stopped "$(service ActiveState) $(service Result) $(service ExecMainStatus)"
report drains "$(grep --count '"event":"stopped"' /shared/log)"

# An invalid configuration is not started again and again.
echo 'no-such-setting: 1' >> /etc/etcd-bulkhead/bulkhead.yaml
systemctl start etcd-bulkhead.service 2> /dev/null || true
report invalid "$(service ActiveState) $(service ExecMainStatus) $(service NRestarts)"

# Removal.
dpkg --purge etcd-bulkhead >> /shared/dpkg 2>&1
report purged "$(ls /etc/etcd-bulkhead /run/etcd-bulkhead /usr/lib/etcd-bulkhead 2> /dev/null | wc --lines)"
