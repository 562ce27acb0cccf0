#!/bin/sh
# Runs a command as a container would, for tests on a machine without containers: a root of its own that is read-only,
# the volumes that were declared and nothing else to write to, an environment of its own, a user without rights.
#
#   container.sh ROOT UID MOUNT... -- KNOWN... -- VARIABLE=VALUE... COMMAND ARGUMENT...
#
# ROOT    an empty folder
# UID     of user and group; `-` keeps the user, who is none with rights then
# MOUNT   rw:HOST_FOLDER:PATH or ro:HOST_FOLDER:PATH
# KNOWN   folders of this machine that the command needs below their own names, read-only: interpreter and code
#
# To be started by `unshare --mount --propagation private`.  The process keeps its number: signals reach the command.
set -eu
root=$1 user=$2
shift 2

mount -t tmpfs -o mode=755 tmpfs "$root"
bind() { # HOST PATH MODE
  mkdir -p "$root$2"
  mount --rbind "$1" "$root$2"
  [ "$3" = rw ] || mount -o remount,bind,ro "$root$2"
}
bind /usr /usr ro
bind /etc /etc ro
for name in bin sbin lib lib32 lib64 libx32; do
  if [ -L "/$name" ]; then cp -P "/$name" "$root/$name"; elif [ -d "/$name" ]; then bind "/$name" "/$name" ro; fi
done
bind /dev /dev rw
bind /proc /proc rw
while [ "$1" != -- ]; do
  mode=${1%%:*} rest=${1#*:}
  bind "${rest%%:*}" "${rest#*:}" "$mode"
  shift
done
shift
while [ "$1" != -- ]; do
  bind "$1" "$1" ro
  shift
done
shift
mount -o remount,bind,ro "$root"

if [ "$user" = - ]; then identity=; else identity="--reuid=$user --regid=$user --clear-groups"; fi
# shellcheck disable=SC2086
exec chroot "$root" setpriv $identity --inh-caps=-all --bounding-set=-all --no-new-privs --pdeathsig=TERM env -i "$@"
