#!/bin/bash
# Boots systemd as the first process of new namespaces (mount, network, process, IPC, host name, control groups) on a copy of this
# machine's root that is discarded at the end, and runs one command in it. Nothing outside of SHARED is changed.
#
#   enter.sh SHARED COMMAND      SHARED is a directory, which is /shared inside; COMMAND is a path inside
#
# The exit code is that of COMMAND. 77: this machine does not permit it; the reason is on standard error.
set -eu

if [ "${1-}" != --inside ]; then
  # The namespace shows this process's own control group as the root, so that systemd manages nothing else.
  own=/sys/fs/cgroup$(sed --quiet 's/^0:://p' /proc/self/cgroup)
  group=$own/bulkhead-test-$$
  leave() {
    echo $$ > "$own/cgroup.procs"
    find "$group" -depth -type d -exec rmdir {} + || true
  }
  if [ -e "$own/cgroup.procs" ] && [ -e /sys/fs/cgroup/cgroup.controllers ] && mkdir "$group" 2> /dev/null; then
    trap leave EXIT
    echo $$ > "$group/cgroup.procs"
  fi
  code=0
  unshare --mount --net --pid --ipc --uts --cgroup --fork --kill-child "$0" --inside "$@" || code=$?
  if [ "$code" != 0 ] && [ ! -e "$1/booted" ]; then
    echo "systemd does not start here: $code" >&2
    exit 77
  fi
  exit "$code"
fi
shared=$2 command=$3

skip() {
  echo "$1" >&2
  exit 77
}

mount --make-rprivate / || skip 'cannot change mounts'
root=$(mktemp --directory)
mount -t tmpfs tmpfs "$root"
cd "$root"
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root || skip 'cannot mount an overlay of /'
cd root
mount -t proc proc proc || skip 'cannot mount /proc'
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t sysfs -o ro sysfs sys
mount -t tmpfs tmpfs sys/fs/cgroup
mount -t cgroup2 cgroup2 sys/fs/cgroup || skip 'cannot mount the control groups'
mount -t tmpfs tmpfs dev
cp --archive /dev/{null,zero,full,random,urandom,tty} dev || skip 'cannot make devices'
mkdir dev/pts dev/shm shared
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
touch dev/console
touch "$shared/console"
mount --bind "$shared/console" dev/console
mount --bind "$shared" shared

# Only the command is started, none of the machine's services. Its result is the exit code of systemd.
ln -sf /dev/null etc/systemd/system/network-online.target
cat > etc/systemd/system/command.service <<UNIT
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
ExecStartPre=/bin/touch /shared/booted
ExecStart=/bin/bash $command
StandardOutput=append:/shared/output
StandardError=append:/shared/errors
ExecStopPost=/bin/sh -c 'exec systemctl exit --force \$EXIT_STATUS'
UNIT
cat > etc/systemd/system/command.target <<UNIT
[Unit]
DefaultDependencies=no
Wants=command.service
UNIT
ip link set lo up
mkdir old
pivot_root . old
cd /
umount --lazy old
container=test exec /lib/systemd/systemd --unit=command.target --log-target=console --show-status=no < /dev/null > /dev/null 2>&1
