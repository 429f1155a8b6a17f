# shellcheck shell=bash
# Fake nodes by kwok: the API server, the scheduler and the controllers are
# real, only the nodes and what runs on them is played. See stages.yaml.

FAKE_LABEL=type=kwok
FAKE_TAINT=kwok.x-k8s.io/node=fake:NoSchedule

start_kwok() {
    alive kwok ||
        start kwok machine "$STATE/bin/kwok" --kubeconfig="$PKI/kwok.kubeconfig" --config="$HERE/stages.yaml" \
            --manage-all-nodes=false --manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake \
            --cidr="$FAKE_POD_CIDR" --node-ip=127.0.0.1 --node-lease-duration-seconds=40 --v=WARN
}

# make_fake_nodes N: makes those of fake-0 to fake-(N-1) that aren't there yet.
make_fake_nodes() {
    local count=$1 have i nodes=$RUN/fake-nodes.yaml
    have=$(kubectl get nodes --selector="$FAKE_LABEL" --output=name)
    for ((i = 0; i < count; i++)); do
        grep -qx "node/fake-$i" <<<"$have" || fake_node "fake-$i"
    done >"$nodes"
    [[ ! -s $nodes ]] || kubectl create --filename="$nodes" >/dev/null
    printf '%s\n' "$count" >"$STATE/flavour/fake"
}

fake_node() {
    cat <<EOF
---
apiVersion: v1
kind: Node
metadata:
  name: $1
  annotations: {kwok.x-k8s.io/node: fake, node.alpha.kubernetes.io/ttl: "0"}
  labels: {type: kwok, kubernetes.io/hostname: $1, kubernetes.io/os: linux, kubernetes.io/role: agent}
status:
  allocatable: {cpu: "1000", memory: 1Ti, ephemeral-storage: 10Ti, pods: "10000"}
  capacity: {cpu: "1000", memory: 1Ti, ephemeral-storage: 10Ti, pods: "10000"}
EOF
}

# Beside a real node the fake ones are tainted, so that a pod that has to run
# for real never lands on one.
taint_fake_nodes() {
    kubectl taint nodes --selector="$FAKE_LABEL" --overwrite "$FAKE_TAINT" >/dev/null
}

fake_nodes_are_ready() {
    local ready
    ready=$(kubectl get nodes --selector="$FAKE_LABEL" \
        --output='jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{.spec.taints[?(@.key=="node.kubernetes.io/not-ready")].key}{"\n"}{end}')
    (($(grep -cx True <<<"$ready") >= $(<"$STATE/flavour/fake")))
}

await_fake_nodes() {
    wait_until 120 fake_nodes_are_ready || fail "the fake nodes aren't ready after two minutes; see $STATE/logs/kwok.log"
}
