# shellcheck shell=bash disable=SC2034 # used by those who source this
# Where everything is, and how the scripts speak. Sourced by every command.

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${GANTLINE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/gantline}

# Several clusters fit on one machine: each number has a state directory, ports,
# addresses and names of its own.
NUMBER=${GANTLINE_CLUSTER_NUMBER:-0}
SUFFIX=${NUMBER#0}
STATE=${GANTLINE_CLUSTER_DIR:-/var/tmp/gantline-cluster${SUFFIX:+-$SUFFIX}}
KUBECONFIG_FILE=$STATE/kubeconfig

# The node lives in namespaces of its own, joined to the machine by one veth
# pair. 198.18.0.0/15 is the range for benchmarks: nobody's real network.
HOST_IP=198.18.$((NUMBER * 32)).1
NODE_IP=198.18.$((NUMBER * 32)).2
POD_CIDR=198.18.$((NUMBER * 32 + 16)).0/20
POD_GATEWAY=198.18.$((NUMBER * 32 + 16)).1
FAKE_POD_CIDR=198.19.0.0/16
SERVICE_NET=10.$((96 + NUMBER))
SERVICE_CIDR=$SERVICE_NET.0.0/16
SERVICE_API_IP=$SERVICE_NET.0.1
SERVICE_DNS_IP=$SERVICE_NET.0.10
HOST_LINK=gantline$NUMBER
NODE_NAME=gantline-node
CGROUP=gantline-cluster${SUFFIX:+-$SUFFIX}

# Ports on the machine itself. Nothing well known listens on these.
API_PORT=$((26443 + NUMBER * 10))
ETCD_PORT=$((26379 + NUMBER * 10))
ETCD_PEER_PORT=$((26380 + NUMBER * 10))

say()  { printf 'cluster: %s\n' "$*" >&2; }
fail() { printf 'cluster: error: %s\n' "$*" >&2; exit 1; }

# Runs a command again and again until it succeeds or the seconds are over.
wait_until() {
    local deadline=$((SECONDS + $1)); shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}

# One command at a time works on the cluster. The lock is a file in the state
# directory that `down` keeps; children must not inherit it (see `spawn`).
lock_cluster() {
    check_state_path
    mkdir -p "$STATE"
    exec 9>"$STATE/lock"
    flock --nonblock 9 || { say "waiting for another cluster command to finish"; flock 9; }
}

check_state_path() {
    [[ $NUMBER == [0-7] ]] || fail "GANTLINE_CLUSTER_NUMBER must be 0 to 7, not '$NUMBER'"
    [[ $STATE == /*/* ]] ||
        fail "GANTLINE_CLUSTER_DIR must be an absolute path below a directory, not '$STATE'"
    # Sockets below it must fit into the 107 bytes of a Unix socket's address.
    ((${#STATE} <= 70)) ||
        fail "GANTLINE_CLUSTER_DIR is ${#STATE} characters long ('$STATE'); sockets below it need at most 70"
    # See lib/enter-node: the node covers these with a layer that is kept in the state.
    [[ $STATE/ != @(/run|/var/run|/var/lib|/var/log)/* ]] ||
        fail "GANTLINE_CLUSTER_DIR can't be below /run, /var/lib or /var/log ('$STATE')"
}

kubectl() { "$STATE/bin/kubectl" --kubeconfig "$KUBECONFIG_FILE" "$@"; }

# What the running cluster was asked to be: one file a flavour in $STATE/flavour,
# `real`, `audit` (which holds the path of its policy) and `fake` (which holds the number of nodes).
has_flavour() { [[ -e $STATE/flavour/$1 ]]; }
