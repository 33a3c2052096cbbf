#!/usr/bin/env bash
# What a newcomer does, on a machine that has nothing: makes a Debian 12 with only
# Node and git, clones HEAD into it, and runs an npm script there twice. Fails when
# a run fails, and when the second one still has something to set up.
#
#     infra/ci/bare-debian.sh demo
#     infra/ci/bare-debian.sh test -- --suite unit
#
# Needs root and debootstrap. The kernel, Node, the apt sources and the corpus are
# this machine's; a mount namespace keeps everything else apart, and ends with it.
set -euo pipefail
cd "$(dirname "$0")/../.."

RELEASE=bookworm
bare=$(mktemp -d)
trap 'rm -rf --one-file-system "$bare"' EXIT

debootstrap --variant=minbase --include=ca-certificates,git "$RELEASE" "$bare"
rm -rf "$bare/etc/apt/sources.list" "$bare"/var/lib/apt/lists/*
for sources in /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources}; do
  [ ! -e "$sources" ] || cp --parents "$sources" "$bare"
done
cp -L /etc/resolv.conf "$bare/etc/"
npm=$(dirname "$(dirname "$(realpath "$(command -v npm)")")")
mkdir -p "$bare/usr/local/lib/node_modules"
cp "$(node -p process.execPath)" "$bare/usr/local/bin/node"
cp -a "$npm" "$bare/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$bare/usr/local/bin/npm"
ln -s ../lib/node_modules/npm/bin/npx-cli.js "$bare/usr/local/bin/npx"
authorities=${NODE_EXTRA_CA_CERTS:-}
[ -z "$authorities" ] || cp -L "$authorities" "$bare/etc/ssl/certs/this-machine.crt"
mkdir -p "$bare/src/shared/corpus" "$bare/outside"
git clone --quiet "file://$PWD" "$bare/src/heddle"

export bare authorities
export corpus=${HEDDLE_CORPUS:-$PWD/../shared/corpus}
# A change of root by chroot would not do: `ip -n` wants the root to be a mount point.
inside() {
  unshare --mount --propagation private bash -euc '
    mount --bind "$bare" "$bare"
    mount -t proc proc "$bare/proc"
    mount -t sysfs sysfs "$bare/sys"
    mount -t cgroup2 cgroup2 "$bare/sys/fs/cgroup"
    mount -t bpf bpf "$bare/sys/fs/bpf"
    mount -t tmpfs tmpfs "$bare/run"
    mount --rbind /dev "$bare/dev"
    [ ! -d "$corpus" ] || mount --bind -o ro "$corpus" "$bare/src/shared/corpus"
    cd "$bare"
    pivot_root . outside
    cd /src/heddle
    umount -l /outside
    exec env -i HOME=/root TERM=dumb PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin \
      ${authorities:+NODE_EXTRA_CA_CERTS=/etc/ssl/certs/this-machine.crt} "$@"' inside "$@"
}

inside npm run "$@"
echo "bare-debian: again"
inside npm run "$@" 2>&1 | tee "$bare/again.log"
if grep '^set-up:' "$bare/again.log"; then
  echo 'bare-debian: the second run still had something to set up'
  exit 1
fi
echo "bare-debian: npm run $* works, and the second run found everything ready"
