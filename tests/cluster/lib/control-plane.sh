# shellcheck shell=bash
# etcd, the API server, the controllers and the scheduler: processes of the
# machine itself, on its loopback (the API server for pods on $HOST_IP too).

start_control_plane() {
    check_ports
    make_certificates
    make_kubeconfig "$KUBECONFIG_FILE" admin 127.0.0.1
    local part
    for part in kube-controller-manager kube-scheduler kwok; do
        make_kubeconfig "$STATE/pki/$part.kubeconfig" "$part" 127.0.0.1
    done
    start_etcd
    start_apiserver
    # These two wait for the API server themselves.
    start_controller_manager
    start_scheduler
}

check_ports() {
    local port user
    for port in "$API_PORT" "$ETCD_PORT" "$ETCD_PEER_PORT"; do
        user=$(ss --no-header --tcp --listening --numeric --processes "sport = :$port")
        [[ -z $user ]] ||
            fail "port $port is in use by something that is not this cluster: $(tr -s ' ' <<<"$user")"
    done
}

# No fsync: a test cluster need not survive the machine's power cut, and
# writing is several times as fast. Plain HTTP, but only on loopback.
start_etcd() {
    start etcd machine "$STATE/bin/etcd" --name=test --data-dir="$STATE/etcd" --unsafe-no-fsync \
        --listen-client-urls="http://127.0.0.1:$ETCD_PORT" --advertise-client-urls="http://127.0.0.1:$ETCD_PORT" \
        --listen-peer-urls="http://127.0.0.1:$ETCD_PEER_PORT" \
        --initial-advertise-peer-urls="http://127.0.0.1:$ETCD_PEER_PORT" \
        --initial-cluster="test=http://127.0.0.1:$ETCD_PEER_PORT" \
        --quota-backend-bytes=8589934592
}

start_apiserver() {
    # Pods reach the API server from the node's side of the veth pair; without
    # a node nobody but this machine needs to.
    local bind=127.0.0.1 audit=()
    has_flavour real && bind=0.0.0.0
    has_flavour audit && audit=(--audit-policy-file="$(<"$STATE/flavour/audit")" --audit-log-path="$STATE/audit.log"
        --audit-log-mode=blocking --audit-log-maxsize=4096)
    start kube-apiserver machine "$STATE/bin/kube-apiserver" \
        --etcd-servers="http://127.0.0.1:$ETCD_PORT" \
        --bind-address="$bind" --secure-port="$API_PORT" --advertise-address="$HOST_IP" \
        --service-cluster-ip-range="$SERVICE_CIDR" \
        --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged \
        --client-ca-file="$PKI/ca.crt" \
        --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" \
        --service-account-issuer=https://kubernetes.default.svc.cluster.local \
        --service-account-key-file="$PKI/service-account.pub" \
        --service-account-signing-key-file="$PKI/service-account.key" \
        --kubelet-certificate-authority="$PKI/ca.crt" \
        --kubelet-client-certificate="$PKI/apiserver-kubelet-client.crt" \
        --kubelet-client-key="$PKI/apiserver-kubelet-client.key" \
        --kubelet-preferred-address-types=InternalIP \
        "${audit[@]}"
}

# Their default rate limits (20 to 50 requests a second) would be what tests
# with thousands of pods measure. Nobody asks them anything: no ports.
start_controller_manager() {
    start kube-controller-manager machine "$STATE/bin/kube-controller-manager" \
        --kubeconfig="$PKI/kube-controller-manager.kubeconfig" --leader-elect=false --secure-port=0 \
        --root-ca-file="$PKI/ca.crt" --service-account-private-key-file="$PKI/service-account.key" \
        --use-service-account-credentials --kube-api-qps=2000 --kube-api-burst=4000
}

start_scheduler() {
    start kube-scheduler machine "$STATE/bin/kube-scheduler" \
        --kubeconfig="$PKI/kube-scheduler.kubeconfig" --leader-elect=false --secure-port=0 \
        --kube-api-qps=2000 --kube-api-burst=4000
}

await_api() {
    wait_until 60 kubectl get --raw=/readyz ||
        fail "the API server isn't ready after a minute: $(kubectl get --raw='/readyz?verbose' 2>&1 | grep -v '^\[+' | head -n 5);" \
            "see $STATE/logs/kube-apiserver.log"
}

# Pods can't be created in a namespace before its service account is there.
await_service_account() {
    wait_until 60 kubectl --namespace=default get serviceaccount default ||
        fail "the default service account isn't there after a minute; see $STATE/logs/kube-controller-manager.log"
}
