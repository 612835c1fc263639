"""The recipe `netns`: a network namespace with an address, and in it a process that answers there.

Pure. Set-up begins by removing what an earlier try of the same vnode left, teardown is content when nothing is there,
and any number of them may be on one node. `docs/recipes.md` says what it needs; go on with `plabctl.probes.container`.
Tests: `tests/e2e/test_substrates.py`.
"""

from __future__ import annotations

from plabctl.core.recipe import Recipe, Stage
from plabctl.probes.recipe_snippets import LIFE, PAUSE, ROOT

# The namespace is on a link of its own to the node. Its number is taken by making the link, which the kernel lets only
# one do, and says which two addresses of 198.18.0.0/15 (kept for tests, RFC 2544) the ends have. Either perl, which
# every Debian has, or python3 answers and asks.
_NETNS = f"""
PATH=$PATH:/usr/sbin:/sbin; export PATH
ns={{vnode}}
remove() {{
  [ -e "/run/netns/$ns" ] || return 0
  n=0 pids=
  while pids=$(ip netns pids "$ns" 2>/dev/null) && [ -n "$pids" ] && [ $n -lt 30 ]; do
    if [ $n -lt 10 ]; then kill $pids; else kill -9 $pids; fi 2>/dev/null
    n=$((n+1)); {PAUSE}
  done
  [ -z "$pids" ] || {{ echo "processes in the namespace do not end:" $pids; return 1; }}
  ip -n "$ns" link del eth0 2>/dev/null
  said=$(ip netns del "$ns" 2>&1) || {{ echo "the namespace cannot be removed: $said"; return 1; }}
}}
"""

_NETNS_SETUP = (
    LIFE
    + ROOT
    + _NETNS
    + r"""
command -v ip >/dev/null || { echo "ip (iproute2) is not installed"; exit 1; }
ip netns list >/dev/null 2>&1 || {
  echo "the ip of this node knows no network namespaces, as that of busybox does not: install iproute2"; exit 1; }
remove || exit 1
said=$(ip netns add "$ns" 2>&1) || { echo "cannot make a network namespace: $said"; exit 1; }
n=$(( $(printf %s "$ns" | cksum | cut -d ' ' -f 1) % 65536 )) tries=0
while ! said=$(ip link add "plab$n" type veth peer name eth0 netns "$ns" 2>&1); do
  case $said in *exists*) ;; *) tries=1000;; esac
  [ $tries -lt 1000 ] || { echo "cannot link the namespace to the node: $said"; exit 1; }
  n=$(( (n + 1) % 65536 )) tries=$((tries+1))
done
start="198.$((18 + n / 32768)).$((n / 128 % 256))"
node=$start.$((n * 2 % 256)) address=$start.$((n * 2 % 256 + 1))
{
  ip addr add "$node/31" dev "plab$n" && ip link set "plab$n" up && ip -n "$ns" link set lo up &&
  ip -n "$ns" addr add "$address/31" dev eth0 && ip -n "$ns" link set eth0 up
} || { echo "cannot give the namespace the address $address"; exit 1; }
if command -v perl >/dev/null; then
  set -- perl -MIO::Socket::INET -e '
    my ($address, $name, $life) = @ARGV; alarm $life;
    my $all = IO::Socket::INET->new(LocalAddr => $address, LocalPort => 7, Listen => 9, ReuseAddr => 1) or exit 1;
    while (1) { my $one = $all->accept or next; print $one "$name\n"; close $one }'
elif command -v python3 >/dev/null; then
  set -- python3 -c '
import signal, socket, sys
signal.alarm(int(sys.argv[3]))
server = socket.create_server((sys.argv[1], 7))
while True:
    with server.accept()[0] as one:
        one.sendall((sys.argv[2] + "\n").encode())'
else
  echo "neither perl nor python3 is there to answer in the namespace"; exit 1
fi
ip netns exec "$ns" "$@" "$address" "$ns" "$life" </dev/null >/dev/null 2>&1 &
"""
)

_NETNS_UP = (
    _NETNS
    + r"""
[ -e "/run/netns/$ns" ] || { echo "the namespace is gone"; exit 1; }
address=$(ip -n "$ns" -o -4 addr show dev eth0 2>/dev/null | tr -s ' ' | cut -d ' ' -f 4)
address=${address%/*}
if command -v perl >/dev/null; then
  said=$(perl -MIO::Socket::INET -e '
    my $one = IO::Socket::INET->new(PeerAddr => $ARGV[0], PeerPort => 7, Timeout => 5) or die "$!\n";
    alarm 5; print scalar <$one>' "${address:-none}" 2>&1)
else
  said=$(python3 -c '
import socket, sys
try:
    print(socket.create_connection((sys.argv[1], 7), 5).makefile().readline().strip())
except OSError as error:
    print(error)' "${address:-none}" 2>&1)
fi
[ "$said" = "$ns" ] || { echo "nobody answers at ${address:-the namespace, which has no address}: $said"; exit 1; }
"""
)

_NETNS_TEARDOWN = _NETNS + "remove\n"

NETNS = Recipe(
    name="netns",
    help="a network namespace with an address and, in it, a process that answers there when the node asks",
    setup=Stage(run=_NETNS_SETUP, timeout_s=60),
    up=Stage(run=_NETNS_UP, timeout_s=60, every_s=1),
    check=Stage(run=_NETNS_UP, timeout_s=60),
    teardown=Stage(run=_NETNS_TEARDOWN, timeout_s=60),
)
