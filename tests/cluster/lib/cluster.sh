# shellcheck shell=bash
# The cluster as a whole: is it well, make it, take it away.

cluster_exists() { [[ -d $STATE/flavour ]]; }

# Everything that its flavours promise runs and answers. A busy machine gets
# some time to answer in: others may be using the cluster.
healthy() {
    cluster_exists && [[ -e $STATE/complete ]] || return 1
    local name
    for name in $(components); do
        alive "$name" || { say "$name isn't running"; return 1; }
    done
    [[ $(readlink "$STATE/bin/kubectl" || true) == "$(kube_cache_dir)/kube" ]] ||
        { say "it was made from another build of Kubernetes"; return 1; }
    wait_until 30 kubectl get --raw=/readyz || { say "the API server isn't ready"; return 1; }
    ! has_flavour real || wait_until 60 node_is_ready || { say "the node isn't ready"; return 1; }
}

prepare_state() {
    local kube part
    kube=$(kube_cache_dir)
    mkdir -p "$STATE"/{bin,flavour,logs,run}
    ln -s "$kube/pause" "$STATE/bin/pause"
    for part in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl helm kwok; do
        ln -s "$kube/kube" "$STATE/bin/$part"
    done
}

# Ends all and removes all but the logs and the lock. Works on any half-made or crashed state.
tear_down() {
    local name
    ! has_flavour real || remove_node
    for name in $(components); do
        stop "$name" KILL
    done
    [[ -d $STATE ]] || return 0
    rm -rf "$STATE/logs.previous"
    [[ ! -d $STATE/logs ]] || mv "$STATE/logs" "$STATE/logs.previous"
    find "$STATE" -mindepth 1 -maxdepth 1 ! -name logs.previous ! -name lock -exec rm -rf --one-file-system {} +
}

load_libraries() {
    local library
    for library in packages build process certs control-plane images node fake; do
        # shellcheck source=/dev/null
        source "$HERE/lib/$library.sh"
    done
}
