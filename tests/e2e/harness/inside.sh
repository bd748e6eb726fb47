#!/bin/sh
# Runs a command in namespaces of its own, so that pods can have addresses, and a node its bridge, without touching
# the machine's network: inside.sh COMMAND... Needs root (CAP_SYS_ADMIN, CAP_NET_ADMIN), util-linux and iproute2.
# Everything that the command started ends with it, because it is in its process namespace.
set -eu
if [ "${1:-}" = "--inside" ]; then
  shift
  ip link set lo up
  ip link add cluster0 type bridge
  ip addr add 10.244.0.1/16 dev cluster0
  ip link set cluster0 up
  ip route add 10.96.0.0/16 dev cluster0 # cluster addresses of Services, translated before they leave
  echo 1 >/proc/sys/net/ipv4/ip_forward
  mount -t tmpfs tmpfs /dev/shm
  cat /etc/hosts >/dev/shm/hosts
  mount --bind /dev/shm/hosts /etc/hosts # names of Services are written there; the machine's own file stays as it is
  export FORESCALE_INSIDE=1
  exec "$@"
fi
exec unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private -- "$0" --inside "$@"
