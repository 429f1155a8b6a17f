# shellcheck shell=bash
# A real node: containerd, kubelet and kube-proxy in mount, network and PID
# namespaces of their own. That is what makes `down` certain: when the node's
# first process is killed, the kernel ends every process of the node and takes
# its mounts, links, nftables rules and sysctls with it, whatever had happened.
#
# Outside remain one veth link, two routes and cgroups; `remove_node` sees to
# those.

# Places that the kubelet, containerd or CNI have no setting for. In the node
# each is a directory of the state.
NODE_DIRECTORIES=(/var/lib/kubelet /var/lib/cni /var/log/containers /var/log/pods /run/containerd /run/netns)

# shellcheck disable=SC2153 # it is not the `state` below
containerd_socket() { printf '%s/node/run/containerd/containerd.sock\n' "$STATE"; }
ctr() { command ctr --address "$(containerd_socket)" --namespace k8s.io "$@"; }

start_node() {
    ((EUID == 0)) || fail "a real node needs root; run this as root, or use --fake N, which doesn't"
    make_cgroups
    start_namespaces
    join_networks
    start_containerd
}

# --- namespaces ---------------------------------------------------------------

start_namespaces() {
    rm -f "$STATE/node/ready"
    mkdir -p "$STATE/node"
    # Mounts made on the machine show up in the node, never the other way.
    setsid unshare --mount --net --pid --fork --mount-proc --propagation=slave -- \
        "$HERE/lib/enter-node" "$STATE" "${NODE_DIRECTORIES[@]}" \
        </dev/null >>"$STATE/logs/node.log" 2>&1 8>&- 9>&- &
    local outer=$! first
    wait_until 10 test -e "$STATE/node/ready" || fail "the node's namespaces can't be made: $(tail -n 3 "$STATE/logs/node.log")"
    if ! first=$(pgrep --parent "$outer") || ! record node "$first"; then
        fail "the node's first process is gone; see $STATE/logs/node.log"
    fi
}

in_node_network() { nsenter --target "$(pid_of node)" --net -- "$@"; }

# The machine reaches pods and services, and pods the machine; nothing else is
# reachable from the node, so that no test depends on the outside.
join_networks() {
    ip link add "$HOST_LINK" type veth peer name eth0 netns "$(pid_of node)"
    ip address add "$HOST_IP/30" dev "$HOST_LINK"
    ip link set "$HOST_LINK" up
    in_node_network ip address add "$NODE_IP/30" dev eth0
    in_node_network ip link set eth0 up
    # kube-proxy answers for services in the filters that a packet meets after
    # it was routed, so there has to be a route, though nothing takes it.
    in_node_network ip route add "$SERVICE_CIDR" via "$HOST_IP"
    local range
    for range in "$POD_CIDR" "$SERVICE_CIDR"; do
        ip route add "$range" via "$NODE_IP" ||
            fail "the machine already has a route for $range ($(ip route show "$range")): another cluster on this machine?"
    done
}

# --- cgroups ------------------------------------------------------------------

# Where our cgroup is, in each hierarchy: one with cgroup v2, several with v1.
cgroup_directories() {
    local mount
    findmnt --list --noheadings --output TARGET --types cgroup,cgroup2 | while read -r mount; do
        printf '%s/%s\n' "$mount" "$CGROUP"
    done
}

make_cgroups() {
    local directory file
    cgroup_directories | while read -r directory; do
        mkdir -p "$directory"
        # v1: a new cpuset is empty, and no process can enter it.
        for file in cpuset.cpus cpuset.mems; do
            [[ ! -e $directory/$file || -e $directory/cgroup.controllers ]] ||
                cat "${directory%/*}/$file" >"$directory/$file"
        done
    done
}

remove_cgroups() {
    local directory
    cgroup_directories | while read -r directory; do
        [[ ! -d $directory ]] || find "$directory" -depth -type d -exec rmdir {} \;
    done
}

# --- containerd ---------------------------------------------------------------

start_containerd() {
    local bin_dir=/usr/lib/cni
    [[ -e $bin_dir/bridge ]] || bin_dir=/opt/cni/bin
    mkdir -p "$STATE/node/cni-config"
    # restrict_oom_score_adj: without CAP_SYS_RESOURCE, as in many sandboxes,
    # runc may not lower a process's score, and would fail.
    cat >"$STATE/node/containerd.toml" <<EOF
version = 2
root = "$STATE/node/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$PAUSE_IMAGE"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$bin_dir"
    conf_dir = "$STATE/node/cni-config"
EOF
    cat >"$STATE/node/cni-config/10-bridge.conflist" <<EOF
{
  "cniVersion": "0.4.0",
  "name": "gantline",
  "plugins": [{
    "type": "bridge", "bridge": "pods", "isGateway": true, "hairpinMode": true,
    "ipam": {
      "type": "host-local",
      "ranges": [[{"subnet": "$POD_CIDR", "gateway": "$POD_GATEWAY"}]],
      "routes": [{"dst": "0.0.0.0/0"}]
    }
  }]
}
EOF
    start containerd node containerd --config "$STATE/node/containerd.toml"
    wait_until 30 ctr version || fail "containerd doesn't answer after 30 s; see $STATE/logs/containerd.log"
}

# --- kubelet and kube-proxy -----------------------------------------------------

start_kubelet() {
    make_kubeconfig "$PKI/kubelet.kubeconfig" kubelet "$HOST_IP"
    # Eviction and image garbage collection go by how full the machine's disk
    # is, which is not for a test to depend on. Event and request limits are
    # off: tests start many pods at once.
    cat >"$STATE/node/kubelet.yaml" <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: false}
  x509: {clientCAFile: $PKI/ca.crt}
tlsCertFile: $PKI/kubelet.crt
tlsPrivateKeyFile: $PKI/kubelet.key
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP
failCgroupV1: false
failSwapOn: false
clusterDomain: cluster.local
clusterDNS: [$SERVICE_DNS_IP]
resolvConf: $STATE/node/resolv.conf
maxPods: 250
serializeImagePulls: false
registryPullQPS: 0
eventRecordQPS: 0
kubeAPIQPS: 500
kubeAPIBurst: 1000
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 50Mi, nodefs.available: 1Mi, imagefs.available: 1Mi}
EOF
    : >"$STATE/node/resolv.conf"
    start kubelet node "$STATE/bin/kubelet" --config="$STATE/node/kubelet.yaml" \
        --kubeconfig="$PKI/kubelet.kubeconfig" --hostname-override="$NODE_NAME" --node-ip="$NODE_IP"
}

# Pods ask for names at an address where nobody answers: there is no DNS. A
# service without endpoints has kube-proxy refuse at once, instead of silence.
start_kube_proxy() {
    make_kubeconfig "$PKI/kube-proxy.kubeconfig" kube-proxy "$HOST_IP"
    start kube-proxy node "$STATE/bin/kube-proxy" --kubeconfig="$PKI/kube-proxy.kubeconfig" \
        --hostname-override="$NODE_NAME" --proxy-mode=nftables --cluster-cidr="$POD_CIDR" --conntrack-max-per-core=0
    kubectl --namespace=kube-system get service kube-dns >/dev/null 2>&1 ||
        kubectl create -f - >/dev/null <<EOF
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec:
  clusterIP: $SERVICE_DNS_IP
  ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
EOF
}

node_is_ready() {
    [[ $(kubectl get node "$NODE_NAME" \
        --output='jsonpath={.status.conditions[?(@.type=="Ready")].status}{.spec.taints}') == True ]]
}

await_node() {
    wait_until 60 node_is_ready ||
        fail "the node isn't ready after a minute: $(kubectl get node "$NODE_NAME" \
            --output='jsonpath={.status.conditions[?(@.type=="Ready")].message}' 2>&1); see $STATE/logs/kubelet.log"
}

# Everything of the node that outlives its processes.
remove_node() {
    local name
    stop node KILL
    for name in kubelet kube-proxy containerd; do
        wait_until 10 gone "$name" || stop "$name" KILL
    done
    ! ip link show "$HOST_LINK" >/dev/null 2>&1 || ip link delete "$HOST_LINK"
    remove_cgroups
}
