#!/bin/bash
# Runs the program of the Debian package under supervisor, with the configuration that the package has as an example. Prints
# name=value lines, which service.test.ts compares.
set -eu
trap 'supervisorctl status >&2 || true' ERR

report() { echo "$1=$2"; }
eventually() {
  for _ in $(seq 200); do
    if "$@" > /dev/null 2>&1; then return; fi
    sleep 0.1
  done
  echo "not reached: $*" >&2
  exit 1
}
state() { supervisorctl status etcd-bulkhead | tr --squeeze-repeats ' ' | cut --delimiter ' ' --fields 2; }
is_state() { [ "$(state)" = "$1" ]; }

ln -s /dev/null /etc/systemd/system/supervisor.service
dpkg --force-unsafe-io --force-depends --install /shared/supervisor/*.deb > /shared/dpkg 2>&1
dpkg --force-unsafe-io --install /shared/*.deb >> /shared/dpkg 2>&1
etcd --data-dir /tmp/etcd --unsafe-no-fsync --listen-client-urls http://127.0.0.1:12379 \
  --advertise-client-urls http://127.0.0.1:12379 --listen-peer-urls http://127.0.0.1:12380 --log-level error &
sed --in-place 's|^endpoints:.*|endpoints: [http://127.0.0.1:12379]|' /etc/etcd-bulkhead/bulkhead.yaml
cp /usr/share/doc/etcd-bulkhead/examples/supervisor.conf /etc/supervisor/conf.d/etcd-bulkhead.conf

supervisord --configuration /etc/supervisor/supervisord.conf
eventually is_state RUNNING
report user "$(ps -o user= -p "$(supervisorctl pid etcd-bulkhead)" | cut --characters 1-8)"
export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=unix:///run/etcd-bulkhead/lobby.sock
eventually etcdctl --command-timeout=2s get a
report put "$(etcdctl put a of-lobby)"
report stored "$(ETCDCTL_ENDPOINTS=127.0.0.1:12379 etcdctl get --prefix '' | tr '\n' ' ')"

supervisorctl signal HUP etcd-bulkhead > /dev/null
eventually grep '"event":"reloaded"' /var/log/supervisor/etcd-bulkhead.log
report reloaded "$(etcdctl get --print-value-only a)"

supervisorctl stop etcd-bulkhead > /dev/null
report stopped "$(state)"
report drained "$(grep --only-matching '"event":"stopped"' /var/log/supervisor/etcd-bulkhead.log)"
supervisorctl shutdown > /dev/null
